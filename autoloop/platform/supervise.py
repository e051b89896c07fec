"""``autoloop up``: starts server, node and watcher, again when they die, and stops them cleanly."""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import httpx

from autoloop.core.errors import HostUnreachable, NotSettled
from autoloop.core.redact import redact
from autoloop.settings import Settings

STOP_S = 50.0
DEATHS = 4
"""How often a child may die before the platform answers; what ended so often will end again."""

LAST_WORDS = 4096
"""Bytes of a log that are looked at for the last line."""

LASTED_S = 5.0
BACKOFF_S = (0.2, 0.5, 1, 2, 5, 10)
PORT_S = 3.0
PR_SET_PDEATHSIG = 1
PRCTL = getattr(ctypes.CDLL(None), "prctl", None)


@dataclass
class Child:
    """One supervised process."""

    name: str
    argv: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    quick_deaths: int = 0
    due: float = 0.0
    born: float = 0.0
    handles: list[IO[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Start it, in a session of its own, with its output in its log.

        It dies with the thread that calls this, which must be the one that lives longest.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.argv,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=partial(die_with, os.getpid()),
            )
        self.born = time.monotonic()

    def dead(self) -> bool:
        """Whether it has ended."""
        return self.process is None or self.process.poll() is not None

    def watch(self) -> None:
        """Start it again when it has died, later each time it does not last."""
        if not self.dead():
            return
        now = time.monotonic()
        if not self.due:
            self.deaths += 1
            self.quick_deaths = self.quick_deaths + 1 if now - self.born < LASTED_S else 0
            self.due = now + BACKOFF_S[min(self.quick_deaths, len(BACKOFF_S) - 1)]
        if now >= self.due:
            self.due = 0.0
            self.start()

    def last_words(self) -> str:
        """The last line of its log, without secrets; empty where that is too long to be seen whole,
        since a secret whose beginning is cut off is not known as one."""
        with contextlib.suppress(OSError), self.log.open("rb") as kept:
            before = max(0, self.log.stat().st_size - LAST_WORDS)
            kept.seek(before)
            lines = kept.read(LAST_WORDS).decode("utf-8", "replace").split("\n")
            whole = lines[1:] if before else lines
            return redact(next((line for line in reversed(whole) if line.strip()), ""))
        return ""


def die_with(parent: int) -> None:
    """Have the kernel kill this new process when *parent* dies, be it by ``kill -9``."""
    if PRCTL is not None:
        PRCTL(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def children(chosen: Settings) -> list[Child]:
    """The server first, then the node, then the watcher of logs."""
    environment = {**os.environ, **chosen.prefect_environment()}
    environment["AUTOLOOP_HOME"] = str(chosen.home)
    server = [sys.executable, "-m", "autoloop.platform.server",
              "--host", chosen.host, "--port", str(chosen.prefect_port)]  # fmt: skip
    node = [sys.executable, "-m", "autoloop.platform.node"]
    watcher = [sys.executable, "-m", "autoloop.platform.watching"]
    logs = chosen.home / "logs"
    return [
        Child("server", server, environment, logs / "server.log"),
        Child("node", node, environment, logs / "node.log"),
        Child("watcher", watcher, environment, logs / "watcher.log"),
    ]


class Platform:
    """The platform of one state folder. One at a time: the folder is locked."""

    def __init__(self, chosen: Settings) -> None:
        self.settings = chosen
        self.children = children(chosen)
        self._lock: int | None = None

    def start(self, say: Callable[[str], None] = lambda _: None, seconds: float = 180) -> None:
        """Start all and wait until they answer.

        Raises:
            NotSettled: another platform runs in the same state folder, or a port is taken.
            HostUnreachable: they do not answer in time, or one of them ends again and again.
        """
        self.take_folder()
        self._need_ports()
        server, node, watcher = self.children
        server.start()
        say("Prefect server starts")
        self.wait_for(f"{self.settings.prefect_url}/health", seconds, [server])
        node.start()
        say("worker and API start")
        self.wait_for(f"{self.settings.api_url}/healthz", seconds, [server, node])
        watcher.start()
        self._write_state()

    def wait_for(self, url: str, seconds: float, watched: list[Child]) -> None:
        """Until *url* answers 200."""
        end = time.monotonic() + seconds
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(url, timeout=2).status_code == 200:
                    return
            for child in watched:
                child.watch()
                if child.deaths >= DEATHS:
                    said = child.last_words() or "it said nothing"
                    what = f"its {child.name} ended {child.deaths} times: {said}"
                    raise HostUnreachable(url, what, f"read {child.log}")
            if time.monotonic() > end:
                what = f"no answer within {seconds:g} s"
                raise HostUnreachable(url, what, f"read {self.settings.home / 'logs'}")
            time.sleep(0.1)

    def watch(self) -> None:
        """One look at the children; call it often."""
        for child in self.children:
            if child.dead():
                child.watch()
                self._write_state()

    def stop(self) -> None:
        """Stop them, the server last; kill what does not go."""
        for child in reversed(self.children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        if self._lock is not None:
            (self.settings.home / "platform.json").unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def take_folder(self) -> None:
        """Be the only platform of this state folder, until stopped.

        Raises:
            NotSettled: another one runs.
        """
        if self._lock is not None:
            return
        self.settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self.settings.home / "platform.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            place = f"state folder {self.settings.home}"
            raise NotSettled(place, "a platform runs here already", "use it, or stop it") from None
        self._lock = handle

    def _need_ports(self) -> None:
        """Refuse ports that others have: their answers would be taken for our own children's."""
        for name in ("prefect_port", "api_port"):
            port, end = getattr(self.settings, name), time.monotonic() + PORT_S
            while why := _not_ours(self.settings.host, port):
                if time.monotonic() > end:  # one that was just killed needs a moment
                    step = f"end it, or choose another by AUTOLOOP_{name.upper()}"
                    raise NotSettled(f"port {port}", why, step)
                time.sleep(0.1)

    def _write_state(self) -> None:
        state = {
            "pid": os.getpid(),
            "api": self.settings.api_url,
            "prefect": self.settings.prefect_url.removesuffix("/api"),
            **{c.name: c.process.pid for c in self.children if c.process},
        }
        path = self.settings.home / "platform.json"
        path.with_suffix(".new").write_text(json.dumps(state))
        path.with_suffix(".new").rename(path)


def _not_ours(host: str, port: int) -> str:
    """Why nobody can listen there; empty when one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "another program has it"
        return error.strerror or str(error)
    return ""


def run(chosen: Settings, say: Callable[[str], None]) -> None:
    """Start, watch until SIGTERM or SIGINT, stop."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    platform = Platform(chosen)
    try:
        platform.start(say)
        say(f"Prefect UI   {chosen.prefect_url.removesuffix('/api')}")
        say(f"API          {chosen.api_url}/docs")
        while not stopping:
            platform.watch()
            time.sleep(0.2)
        say("stopping")
    finally:
        platform.stop()
