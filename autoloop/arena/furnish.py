"""Lay on a new host's disk what makes it this host: address, name and keys."""

import shutil
import subprocess
from pathlib import Path

from autoloop.arena.records import Record

# The name must sort before 80-container-host0.network, or the address comes from elsewhere.
NETWORK_FILE = "etc/systemd/network/10-host0.network"
NETWORK = """[Match]
Name=host0

[Network]
Address={ip}/24
Gateway={gateway}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""

HOSTS = """127.0.0.1 localhost
127.0.1.1 {name}
::1 localhost ip6-localhost ip6-loopback
"""


def furnish(folder: Path, record: Record) -> None:
    """Lay on the host's disk what makes it this host: address, name and keys."""
    for name in ("up", "work", "root"):
        (folder / name).mkdir()
    base = Path(record.layers.rpartition(":")[2])
    for place in ("etc/systemd/network", "etc/ssh", "root/.ssh"):
        _same_folders(base, folder / "up", place)
    disk = folder / "up"
    (disk / "etc/hostname").write_text(f"{record.name}\n")
    (disk / "etc/hosts").write_text(HOSTS.format(name=record.name))
    (disk / NETWORK_FILE).write_text(NETWORK.format(ip=record.ip, gateway=record.gateway))
    host_key = disk / "etc/ssh/ssh_host_ed25519_key"
    for key, words in ((host_key, f"root@{record.name}"), (folder / "login_key", "arena")):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", words, "-f", str(key)],
            check=True,
        )
    allowed = disk / "root/.ssh/authorized_keys"
    allowed.write_text((folder / "login_key.pub").read_text())
    allowed.chmod(0o600)
    kind, public = host_key.with_suffix(".pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"{record.ip} {kind} {public}\n")


def _same_folders(base: Path, disk: Path, place: str) -> None:
    """Make the folders of `place` on the disk with the modes that they have below."""
    for folder in [*reversed(Path(place).parents), Path(place)]:
        (disk / folder).mkdir(exist_ok=True)
        shutil.copymode(base / folder, disk / folder)
