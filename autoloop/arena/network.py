"""A bridge and a /24 of 10.77.0.0/16 for the hosts of one cache folder.

The network is there as long as hosts are. It is claimed by making the bridge, under a lock of
the whole machine, so that two caches never take the same one.
"""

import ipaddress
import json
import os
import re
import subprocess
import zlib
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autoloop.arena.cache import locked
from autoloop.arena.errors import MissingPart, NetworkTaken

MACHINE_LOCK = Path("/run/lock/autoloop-arena.lock")
BRIDGE_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
Net = ipaddress.IPv4Network


@dataclass(frozen=True)
class Network:
    """The bridge, its /24, and the last address that was given out."""

    bridge: str
    subnet: str
    last: int = 10

    @property
    def gateway(self) -> str:
        """The machine's own address on the bridge."""
        return str(Net(self.subnet)[1])

    def next_address(self, taken: Collection[str]) -> "tuple[Network, str]":
        """A free address, never the one freed just now: neighbours still remember it."""
        for step in range(1, 244):
            last = 11 + (self.last - 11 + step) % 243
            address = str(Net(self.subnet)[last])
            if address not in taken:
                return Network(self.bridge, self.subnet, last), address
        raise NetworkTaken(
            f"network {self.subnet}", f"{len(taken)} hosts have taken it all", "end some hosts"
        )


def join(folder: Path, taken: Collection[str]) -> tuple[Network, str]:
    """The folder's network, made if need be, and a free address. Hold the folder's lock."""
    record = folder / "network.json"
    with locked(MACHINE_LOCK):
        network, address = _bridged(record).next_address(taken)
    record.write_text(json.dumps(asdict(network)))
    return network, address


def leave(folder: Path) -> None:
    """Take the bridge away; there are no hosts any more. Hold the folder's lock."""
    network = recorded(folder / "network.json")
    with locked(MACHINE_LOCK):
        if network and _own_bridge(network):
            _ip("link", "del", network.bridge)


def recorded(record: Path) -> Network | None:
    """The network of the last time."""
    try:
        return Network(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _bridged(record: Path) -> Network:
    """A network whose bridge is up: the one of the last time, or the first free one."""
    last = recorded(record)
    if last and _own_bridge(last):
        return last
    network = _asked_for() or _free(start=zlib.crc32(str(record).encode()))
    if Path("/sys/class/net", network.bridge).exists():
        raise NetworkTaken(
            f"bridge {network.bridge}",
            "there is an interface of that name",
            "set AUTOLOOP_ARENA_BRIDGE to another name",
        )
    _ip("link", "add", network.bridge, "type", "bridge")
    _ip("addr", "add", f"{network.gateway}/24", "dev", network.bridge)
    _ip("link", "set", network.bridge, "up")
    return network


def _asked_for() -> Network | None:
    """What the environment says: AUTOLOOP_ARENA_NETWORK, a /24, and AUTOLOOP_ARENA_BRIDGE."""
    subnet = os.environ.get("AUTOLOOP_ARENA_NETWORK")
    if not subnet:
        return None
    try:
        wide = Net(subnet).prefixlen
    except ValueError:
        wide = 0
    if wide != 24:
        raise NetworkTaken(
            "AUTOLOOP_ARENA_NETWORK", f"{subnet!r} is not a /24", "give one such as 10.77.9.0/24"
        )
    if clash := next((n for n in _in_use() if n.overlaps(Net(subnet))), None):
        raise NetworkTaken(f"network {subnet}", f"{clash} is in use", "choose another")
    return Network(_bridge_name(subnet), subnet)


def _bridge_name(subnet: str) -> str:
    name = os.environ.get("AUTOLOOP_ARENA_BRIDGE") or f"albr{subnet.split('.')[2]}"
    if not BRIDGE_NAME.fullmatch(name):
        raise NetworkTaken(
            "AUTOLOOP_ARENA_BRIDGE", f"bad name {name!r}", "use at most 15 of a-z 0-9 -"
        )
    return name


def _free(start: int) -> Network:
    """The first /24 from 10.77.(start mod 250) on that no address or route touches."""
    used = _in_use()
    for step in range(250):
        subnet = f"10.77.{2 + (start + step) % 250}.0/24"
        if not any(n.overlaps(Net(subnet)) for n in used):
            return Network(_bridge_name(subnet), subnet)
    raise NetworkTaken("network 10.77.0.0/16", "all of it is in use", "set AUTOLOOP_ARENA_NETWORK")


def _in_use() -> list[Net]:
    """Networks that addresses and routes of the machine touch, the default route apart."""
    found = [
        f"{a['local']}/{a['prefixlen']}"
        for link in _ip_json("addr")
        for a in link.get("addr_info", [])
    ]
    found += [r["dst"] for r in _ip_json("route") if r["dst"] != "default"]
    return [Net(text, strict=False) for text in found]


def _own_bridge(network: Network) -> bool:
    """Whether the bridge is there with the network's address."""
    return any(
        link["ifname"] == network.bridge
        and any(a.get("local") == network.gateway for a in link.get("addr_info", []))
        for link in _ip_json("addr")
    )


def _ip_json(what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_ip("-json", "-4", what, "show") or "[]")
    return found


def _ip(*words: str) -> str:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingPart(
            f"ip {' '.join(words)}", done.stderr.strip(), "run as root, with bridges in the kernel"
        )
    return done.stdout
