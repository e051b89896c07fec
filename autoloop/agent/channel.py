"""Ways to a target: a subprocess here, or an exec channel of an SSH connection.

Both start the agent by the same line: a few bytes of Python that read the program from standard
input, so nothing is installed and nothing is left.
"""

import contextlib
import io
import os
import shlex
import subprocess
import sys
import zlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, cast

import paramiko
from fabric import Connection

from autoloop.core.app import HostSpec
from autoloop.core.errors import AgentLost, HostKeyChanged, HostUnreachable

PIECE = 128 << 10
CONNECT_S = 15

BOOT = (
    "import sys,zlib;i=sys.stdin.buffer;"
    "exec(compile(zlib.decompress(i.read(int(i.readline()))),'autoloop-agent','exec'))"
)


MODULES = (
    "durable",
    "files",
    "quotas",
    "looking",
    "salvage",
    "backups",
    "changing",
    "certificates",
    "line",
    "addresses",
    "postgresql",
    "mysql_talk",
    "mysql",
    "reach",
)
"""What the agent imports of this package, in this order: it travels with it."""

_IMPORTABLE = """\
import sys, types
def importable(name, source):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    parent, _, own = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], own, module)
"""


def program() -> bytes:
    """The agent's source as it travels."""
    return packed("autoloop.agent", MODULES, "remote")


def packed(package: str, modules: Sequence[str], main: str) -> bytes:
    """A program as it travels: its length in a line, then zlib of one source.

    *main* is the module of *package* that is run, *modules* what it imports of it, in that order.
    """
    folder = files(package)
    parents = package.split(".")
    sources = {".".join(parents[:n]): "" for n in range(1, len(parents) + 1)}
    for name in modules:
        sources[f"{package}.{name}"] = folder.joinpath(f"{name}.py").read_text("utf-8")
    lines = [_IMPORTABLE, *(f"importable({n!r}, {s!r})\n" for n, s in sources.items())]
    whole = "".join(lines) + folder.joinpath(f"{main}.py").read_text("utf-8")
    small = zlib.compress(whole.encode(), 9)
    return b"%d\n" % len(small) + small


class Channel(Protocol):
    """Bytes to and from one running agent."""

    place: str

    def write(self, data: bytes) -> None:
        """Send all of *data*.

        Raises:
            AgentLost: the other side is gone.
        """
        ...

    def read(self, size: int) -> bytes:
        """Exactly *size* bytes; fewer only at the end."""
        ...

    def close(self) -> None:
        """End the agent. May be called twice."""
        ...


class LocalChannel:
    """The agent as a child process of this one."""

    def __init__(self, source: bytes = b"") -> None:
        self.place = "local"
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", BOOT, "autoloop-agent"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,  # a writer held up by a full pipe must not hold up `close`
            start_new_session=True,
        )
        self._stdout = io.BufferedReader(cast(io.RawIOBase, self._process.stdout))
        self.pid = self._process.pid
        self.write(source or program())

    def write(self, data: bytes) -> None:
        assert self._process.stdin
        left = memoryview(data)
        try:
            while left:
                left = left[self._process.stdin.write(left) :]
        except (OSError, ValueError) as error:
            raise AgentLost(self.place, f"the agent is gone ({error})", "connect again") from None

    def read(self, size: int) -> bytes:
        return self._stdout.read(size)

    def close(self) -> None:
        """Close its input, by which it ends; kill it when it does not."""
        assert self._process.stdin
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(3)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(3)
        self._stdout.close()


class SshChannel:
    """The agent behind one exec channel of a Fabric connection. Host keys are verified."""

    def __init__(
        self, host: HostSpec, key: str = "", password: str = "", source: bytes = b""
    ) -> None:
        self.place = f"{host.user}@{host.address}:{host.port}"
        self._connection = _connect(host, self.place, key, password)
        command = f"exec python3 -I -c {shlex.quote(BOOT)} autoloop-agent"
        if host.sudo:
            command = f"exec sudo -n -- python3 -I -c {shlex.quote(BOOT)} autoloop-agent"
        try:
            self._start(command, source or program())
        except AgentLost:
            self.close()
            raise
        except (paramiko.SSHException, OSError, EOFError) as error:
            self.close()
            what = f"the agent cannot be started: {error}"
            raise HostUnreachable(self.place, what, "check sshd and python3 there") from None

    def _start(self, command: str, source: bytes) -> None:
        transport = self._connection.transport
        transport.set_keepalive(15)
        self._channel = transport.open_session(timeout=CONNECT_S)
        self._channel.exec_command(command)
        self._stdout = self._channel.makefile("rb")
        self.write(source)

    def write(self, data: bytes) -> None:
        """In pieces: one large `sendall` is quadratic in Paramiko."""
        try:
            for start in range(0, len(data), PIECE):
                self._channel.sendall(data[start : start + PIECE])
        except (OSError, EOFError) as error:
            raise AgentLost(self.place, f"connection lost ({error})", "connect again") from None

    def read(self, size: int) -> bytes:
        try:
            return bytes(self._stdout.read(size))
        except (OSError, EOFError):
            return b""

    def complaint(self) -> str:
        """What the far side wrote on standard error so far."""
        text = b""
        while self._channel.recv_stderr_ready():
            text += self._channel.recv_stderr(4096)
        return text.decode("utf-8", "replace").strip()[-500:]

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._channel.close()
        with contextlib.suppress(Exception):
            self._connection.close()


def _connect(host: HostSpec, place: str, key: str, password: str) -> Connection:
    arguments: dict[str, Any] = {"timeout": CONNECT_S, "banner_timeout": CONNECT_S}
    arguments.update(auth_timeout=CONNECT_S, look_for_keys=not key, allow_agent=not key)
    if key:
        arguments["pkey"] = _private_key(key, place)
    elif host.identity_file:
        arguments["key_filename"] = str(Path(host.identity_file).expanduser())
    if password:
        arguments["password"] = password
    connection = Connection(host.address, user=host.user, port=host.port, connect_kwargs=arguments)
    client = connection.client
    _trust(client, host)
    try:
        connection.open()
    except paramiko.BadHostKeyException as error:
        connection.close()
        what = f"the host key changed: got {error.key.get_name()} {error.key.fingerprint}"
        raise HostKeyChanged(place, what, "check who answers, then renew known_hosts") from None
    except paramiko.SSHException as error:
        connection.close()
        step = "check user, key and known_hosts"
        raise HostUnreachable(place, f"SSH refused: {error}", step) from None
    except (OSError, EOFError) as error:
        connection.close()
        raise HostUnreachable(place, f"cannot connect: {error}", "check address and port") from None
    return connection


def _trust(client: paramiko.SSHClient, host: HostSpec) -> None:
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    if (
        host.known_hosts
        and "\n" not in host.known_hosts
        and os.path.isfile(  # noqa: PTH113
            os.path.expanduser(host.known_hosts)  # noqa: PTH111
        )
    ):
        client.load_host_keys(os.path.expanduser(host.known_hosts))  # noqa: PTH111
        return
    if not host.known_hosts:  # what the application says of its host goes before the system's list
        client.load_system_host_keys()
    lines = (line.strip() for line in host.known_hosts.splitlines())
    for line in (line for line in lines if line and not line.startswith("#")):
        try:
            entry = paramiko.hostkeys.HostKeyEntry.from_line(line)
        except paramiko.hostkeys.InvalidHostKey:
            place, step = f"known_hosts of {host.address}", "take the line from ssh-keyscan"
            raise HostUnreachable(place, f"no host key: {line[:60]!r}", step) from None
        if entry and entry.key:
            for name in entry.hostnames or ():
                client.get_host_keys().add(name, entry.key.get_name(), entry.key)


def _private_key(text: str, place: str) -> paramiko.PKey:
    import io

    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with contextlib.suppress(paramiko.SSHException, ValueError):
            return kind.from_private_key(io.StringIO(text))
    raise HostUnreachable(
        place, "the private key cannot be read", "use an OpenSSH key without passphrase"
    )


def open_channel(host: HostSpec, key: str = "", password: str = "", source: bytes = b"") -> Channel:
    """The way to *host*: local without SSH, otherwise one connection.

    *source* is what runs there, as `packed` makes it; the agent if it is empty.

    Raises:
        HostUnreachable: no connection, or no usable key.
        HostKeyChanged: another key than the known one answers.
    """
    if host.address == "local":
        return LocalChannel(source)
    return SshChannel(host, key, password, source)
