"""What runs in a host, read from outside: processes and listeners, with user and unit."""

import contextlib
import re
import time
from collections import defaultdict
from dataclasses import dataclass

from autoloop.arena import cgroups
from autoloop.arena.hosts import Host
from autoloop.arena.processes import PROC, ProcessId, stat_fields

LINGERING_S = 0.5
UNIT = re.compile(r"[^/]+\.(?:service|scope)")
EPHEMERAL_PORTS = 32768


@dataclass(frozen=True)
class Running:
    """One process of a host."""

    process: ProcessId
    parent: int
    user: str
    words: str
    unit: str

    @property
    def belongs(self) -> str:
        """User and unit, as `lingzhi in lingzhi.service`."""
        return f"{self.user} in {self.unit}"


def lingering(host: Host, names: dict[int, str]) -> list[Running]:
    """Processes that were there half a second ago as well, without those of open logins."""
    before = set(_running(host, names))
    time.sleep(LINGERING_S)
    return _without_logins([one for one in _running(host, names) if one in before])


def listeners(host: Host, names: dict[int, str]) -> dict[str, str]:
    """`address:port/tcp` or `/udp` of each listening socket, and who holds it."""
    inodes: dict[str, str] = {}
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        table = (PROC / str(host.leader.pid) / "net" / protocol).read_text().splitlines()[1:]
        for fields in (line.split() for line in table):
            address, _, port = fields[1].rpartition(":")
            listens = fields[3] == "0A" if "tcp" in protocol else int(port, 16) < EPHEMERAL_PORTS
            if listens:
                inodes[fields[9]] = f"{_address(address)}:{int(port, 16)}/{protocol[:3]}"
    holders = defaultdict(set)
    for one in _running(host, names):
        for inode in _sockets(one.process.pid) & inodes.keys():
            holders[inodes[inode]].add(f"{_program(one.process.pid)} of {one.belongs}")
    nobody = dict.fromkeys(inodes.values(), "nobody")
    return nobody | {place: ", ".join(sorted(who)) for place, who in holders.items()}


def _running(host: Host, names: dict[int, str]) -> list[Running]:
    found = []
    for group in cgroups.groups_of(host.control_group)[:1]:
        for place in cgroups.with_subgroups(group):
            units = UNIT.findall(str(place.relative_to(group)))
            unit = re.sub(r"^session-.*", "a session", units[-1] if units else "no unit")
            listed = (_one(pid, unit, names) for pid in cgroups.processes_in(place))
            found += [one for one in listed if one]
    return found


def _one(pid: int, unit: str, names: dict[int, str]) -> Running | None:
    process, fields = ProcessId.of(pid), stat_fields(pid)
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").strip()
        uid = (PROC / str(pid)).stat().st_uid
    except (FileNotFoundError, ProcessLookupError):
        return None
    if process is None or fields is None or not words or not process.alive():
        return None
    user = names.get(uid, str(uid))
    return Running(process, int(fields[1]), user, words.decode(errors="replace"), unit)


def _without_logins(found: list[Running]) -> list[Running]:
    """Leave out what hangs on a login that is still open: it ends with the connection."""
    by_pid = {one.process.pid: one for one in found}

    def in_login(one: Running | None) -> bool:
        while one is not None:
            if one.unit == "a session" and one.words.startswith("sshd: "):
                return True
            one = by_pid.get(one.parent)
        return False

    return [one for one in found if not in_login(one)]


def _sockets(pid: int) -> set[str]:
    """Inodes of the sockets that the process has open."""
    found = set()
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for handle in (PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                target = str(handle.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found


def _program(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (PROC / str(pid) / "comm").read_text().strip()
    return "?"


def _address(text: str) -> str:
    """The kernel's hexadecimal words (each in the machine's byte order) as an address."""
    words = [bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8)]
    family = "ipv4" if len(words) == 1 else "ipv6"
    raw = b"".join(words)
    if family == "ipv4":
        return ".".join(str(byte) for byte in raw)
    return f"[{':'.join(raw[at : at + 2].hex() for at in range(0, 16, 2))}]"
