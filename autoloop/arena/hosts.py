"""Throw-away hosts: a Debian with its own systemd, sshd, address and disk, up in a second.

::

    with up("web1", build()) as host:
        host.run("systemctl is-active lingzhi").stdout      # over SSH, as any client
        host.inside("systemctl stop lingzhi")               # as a judge: nobody logged in
        host.crash(keep=True)                               # the power is cut
        host.boot()                                         # and comes back
"""

import contextlib
import re
import secrets
import signal
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from autoloop.arena import boot, cgroups, network
from autoloop.arena.cache import cache_folder, locked, remove
from autoloop.arena.errors import (
    CommandTimedOut,
    HostDidNotEnd,
    HostDidNotStart,
    HostInTheWay,
    NoSuchHost,
)
from autoloop.arena.furnish import furnish
from autoloop.arena.image import Image
from autoloop.arena.inside import Finished, run_as_visitor, run_inside
from autoloop.arena.processes import ProcessId, wait_until
from autoloop.arena.progress import announced
from autoloop.arena.records import Record, gone, records

NAME = re.compile(r"[a-z]([a-z0-9-]{0,30}[a-z0-9])?")
BOOT_S = 60.0
LOGIN_S = 8.0
STOP_S = 30.0


class Host:
    """One host, made by `up` or found by `find`. As a context it is thrown away at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._record = Record.read(folder)
        self.name = self._record.name
        self.ip = self._record.ip

    @property
    def login_key(self) -> Path:
        """The private key that opens root's login."""
        return self.folder / "login_key"

    @property
    def known_hosts(self) -> str:
        """The line of a known_hosts file by which a client can tell this host from another."""
        return (self.folder / "known_hosts").read_text()

    @property
    def running(self) -> bool:
        """Whether the host has power."""
        return self._record.running

    @property
    def root(self) -> Path:
        """The host's file system as it sees it; only while it runs."""
        return Path("/proc", str(self.leader.pid), "root")

    @property
    def disk(self) -> Path:
        """What was written on the host's disk since it is a host: the overlay's upper folder."""
        return self.folder / "up"

    @property
    def layers(self) -> tuple[Path, ...]:
        """The image below the disk, the topmost layer first."""
        return tuple(Path(layer) for layer in self._record.layers.split(":"))

    @property
    def control_group(self) -> str:
        """The name of the control group that holds all its processes."""
        return boot.group_name(self._record.machine)

    @property
    def leader(self) -> ProcessId:
        """Its process 1, seen from the machine; another one after a reboot from within."""
        record = self._record
        if record.leader is None or not record.leader.alive():
            found = boot.leader_of(record.container) if record.container else None
            if found is None:
                raise NoSuchHost(f"host {self.name}", "it is not running", "boot it")
            self._record = record.now(leader=found).write(self.folder)
            return found
        return record.leader

    def run(self, command: str, *, stdin: str = "", timeout_s: float = 60.0) -> Finished:
        """Run a command over SSH as root. 255 may be the connection's own failure."""
        try:
            done = subprocess.run(
                [*self._ssh(), command],
                input=stdin,
                capture_output=True,
                text=True,
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise CommandTimedOut(
                f"host {self.name}", f"{command!r} not done after {timeout_s:g} s", "look why"
            ) from error
        return Finished(done.returncode, done.stdout, done.stderr)

    def inside(self, script: str, *, visitor: bool = False, timeout_s: float = 60.0) -> Finished:
        """Run a script as root through the host's namespaces, without any login.

        As a `visitor` it runs in a session scope of its own, in which what it leaves stays.
        """
        run = run_as_visitor if visitor else run_inside
        return run(self.leader, script, timeout_s)

    def boot(self) -> Self:
        """Give it power and wait for a login. Raises `HostDidNotStart`; then it is gone."""
        if self.running:
            raise HostInTheWay(f"host {self.name}", "it is running", "take it down first")
        try:
            self._start()
        except BaseException:
            self.crash()
            raise
        return self

    def down(self) -> None:
        """Shut it down in order, and throw it away."""
        container = self._record.container
        if container and self.running:
            for supervisor in boot.supervisors_of(container):
                supervisor.send(signal.SIGTERM)
            with announced(f"{self.name} shuts down"):
                wait_until(lambda: not self.running, STOP_S)
        self.crash()

    def crash(self, *, keep: bool = False) -> None:
        """Cut the power: all its processes end at once. Without `keep` it is thrown away."""
        self._record = Record.read(self.folder)
        for process in (self._record.leader, self._record.container):
            if process:
                process.send(signal.SIGKILL)
        if not cgroups.kill_members(self.control_group):
            left = sorted(cgroups.members(self.control_group))
            raise HostDidNotEnd(f"host {self.name}", f"processes {left} remain", "try again")
        cgroups.remove_groups(self.control_group)
        self._record = self._record.now(container=None, leader=None).write(self.folder)
        if not keep:
            _throw_away(self.folder)

    def _start(self) -> None:
        record = self._record
        waiting = boot.start(self.folder, record.layers, record.machine, record.name, record.bridge)
        self._record = record.now(container=waiting.process).write(self.folder)
        waiting.go()
        with announced(f"{self.name} boots"):
            if not wait_until(self._login_works, BOOT_S):
                raise self._not_started(f"no login within {BOOT_S:g} s")

    def _login_works(self) -> bool:
        container = self._record.container
        if container is None or not container.alive():
            raise self._not_started("its container ended")
        if self._record.leader is None:
            leader = boot.leader_of(container)
            self._record = self._record.now(leader=leader).write(self.folder)
            return False
        try:
            socket.create_connection((self.ip, 22), timeout=1).close()
        except OSError:
            return False
        try:
            return self.run("true", timeout_s=LOGIN_S).ok
        except CommandTimedOut:  # sshd was there before what its login needs
            return False

    def _not_started(self, what: str) -> HostDidNotStart:
        console = (self.folder / "console.log").read_text(errors="replace").splitlines()
        last = "\n".join(console[-15:])
        return HostDidNotStart(f"host {self.name}", f"{what}:\n{last}\n", "see what it lacks")

    def _ssh(self) -> list[str]:
        return [
            *("ssh", "-F", "/dev/null", "-i", str(self.login_key), "-o", "IdentitiesOnly=yes"),
            *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"),
            *("-o", f"UserKnownHostsFile={self.folder / 'known_hosts'}"),
            *("-o", "ConnectTimeout=10", f"root@{self.ip}"),
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(NoSuchHost):
            self.crash()


def up(name: str, image: Image, *, stays: bool = False) -> Host:
    """A new host of that name, once it takes a login as root.

    It ends with the process that asked for it, at the latest when somebody sweeps; with
    `stays` it is there until it is told to go. Raises `HostInTheWay`, `HostDidNotStart`.
    """
    folder = _claim(name, image, stays)
    try:
        furnish(folder, Record.read(folder))
        return Host(folder).boot()
    except BaseException:
        with contextlib.suppress(NoSuchHost):
            Host(folder).crash()
        raise


def find(name: str) -> Host:
    """The host of that name. Raises `NoSuchHost`."""
    return Host(_hosts() / name)


def everybody() -> list[Record]:
    """All hosts of this cache folder."""
    return list(records(_hosts()))


def sweep() -> list[str]:
    """Throw away the hosts whose owners have ended, and what killed processes left; names."""
    cache = cache_folder()
    with locked(cache / "sweep.lock"):
        with locked(cache / "hosts.lock"):
            for folder in _hosts().glob("*"):
                if not (folder / "host.json").exists():
                    _out_of_the_way(folder)
        dead = [record.name for record in everybody() if record.abandoned]
        for name in dead:
            with contextlib.suppress(NoSuchHost):
                find(name).crash()
        for folder in (cache / "ended").glob("*"):
            remove(folder)
    return dead


def _hosts() -> Path:
    return cache_folder() / "hosts"


def _make_way(folder: Path) -> None:
    """Throw away what a killed process left there; a host with an owner stays."""
    with locked(cache_folder() / "hosts.lock"):
        if folder.exists() and not (folder / "host.json").exists():
            _out_of_the_way(folder)
    with contextlib.suppress(NoSuchHost):
        if Record.read(folder).abandoned:
            Host(folder).crash()


def _claim(name: str, image: Image, stays: bool) -> Path:
    """A folder with a record: from here on the name and the address are taken."""
    if not NAME.fullmatch(name):
        raise HostInTheWay(f"host {name!r}", "bad name", "use a-z, then up to 31 of a-z 0-9 -")
    cache, folder = cache_folder(), _hosts() / name
    _make_way(folder)
    with locked(cache / "hosts.lock"):
        if folder.exists():
            raise HostInTheWay(f"host {name}", f"{folder} is there", "take it down, or sweep")
        joined, ip = network.join(cache, {record.ip for record in everybody()})
        folder.mkdir(parents=True)
        Record(
            name=name,
            machine=f"al{secrets.token_hex(3)}",
            ip=ip,
            bridge=joined.bridge,
            gateway=joined.gateway,
            layers=image.lowerdir,
            owner=None if stays else ProcessId.own(),
        ).write(folder)
    return folder


def _throw_away(folder: Path) -> None:
    """Delete the host's files; with the last host the network goes too."""
    cache = cache_folder()
    with locked(cache / "hosts.lock"):
        ended = _out_of_the_way(folder)
        if not everybody():
            network.leave(cache)
    remove(ended)


def _out_of_the_way(folder: Path) -> Path:
    """The host's folder under a name where nobody looks for hosts. Hold the lock."""
    ended = cache_folder() / "ended" / f"{folder.name}-{secrets.token_hex(3)}"
    ended.parent.mkdir(exist_ok=True)
    try:
        folder.rename(ended)
    except FileNotFoundError as error:
        raise gone(folder) from error
    return ended
