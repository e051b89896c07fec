"""The kill drill: one piece of work of the product, and kill -9 at every boundary of its steps.

Failpoints stop a run before and after each step; there a victim dies: the flow's own process,
the node (worker and API), the Prefect server, or the agent on the host. The work must end well
under the id it began with. What was done on the host is counted on the host: calls of systemctl
by a wrapper, replacements of a file by its inode. Whatever content a watched file has at any
moment is noted.
"""

import contextlib
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.product import Product

Victim = Literal["flow", "node", "server", "agent"]
VICTIMS: tuple[Victim, ...] = ("flow", "node", "server", "agent")
PATIENCE_S = 90.0
POLL_S = 0.02

WRAPPER = """
[ -e /usr/bin/systemctl.real ] || mv /usr/bin/systemctl /usr/bin/systemctl.real
cat >/usr/bin/systemctl <<'END'
#!/bin/sh
case "$1" in start|stop|restart|reload|reset-failed|kill) echo "$*" >>/var/log/calls ;; esac
exec /usr/bin/systemctl.real "$@"
END
chmod 755 /usr/bin/systemctl
: >/var/log/calls
"""


def boundaries(steps: Sequence[str]) -> list[str]:
    """The failpoints before and after each step, in order."""
    return [f"{step}.{side}" for step in steps for side in ("before", "after")]


@dataclass(frozen=True)
class Sight:
    """A file as it was at one moment; inode 0 when it was not there."""

    inode: int
    sha256: str


@dataclass
class Counter:
    """Counts what is done on one host, from outside of what does it."""

    host: Host
    watched: str
    sights: list[Sight] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        done = self.host.inside(WRAPPER)
        if not done.ok:
            raise JudgeFailed(f"host {self.host.name}", done.words, "see its image")
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(10)

    def calls(self) -> list[str]:
        """What changed a unit, in order, as systemctl was called."""
        return self.host.inside("cat /var/log/calls").stdout.splitlines()

    def replacements(self) -> int:
        """How often the watched file became another file."""
        return len({sight.inode for sight in self.sights if sight.inode}) - 1

    def contents(self) -> set[str]:
        """Every content that the watched file was seen with; "" when it was not there."""
        return {sight.sha256 for sight in self.sights}

    def _watch(self) -> None:
        path, last = Path(f"{self.host.root}{self.watched}"), None
        while not self._stop.wait(0.004):
            sight, stamp = look(path, last)
            if sight is not None:
                self.sights.append(sight)
            last = stamp


def look(path: Path, last: tuple[int, int, int] | None) -> tuple[Sight | None, Any]:
    """The file's content when it is another than at the *last* stamp."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            stamp = (about.st_ino, about.st_mtime_ns, about.st_size)
            if stamp == last:
                return None, last
            return Sight(about.st_ino, hashlib.sha256(file.read()).hexdigest()), stamp
    except OSError:
        gone = (0, 0, 0)
        return (None if last == gone else Sight(0, "")), gone


@dataclass(frozen=True)
class Ending:
    """How the work ended.

    kills: the boundaries at which a victim died, in order. missed: those never reached. states:
    what `state` gave at each. attempts: how often Prefect started the run.
    """

    run: str
    state: str
    attempts: int
    kills: tuple[str, ...]
    missed: tuple[str, ...]
    states: tuple[str, ...]
    seconds: float


class KillDrill:
    """A platform with failpoints, and the hand that kills."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.points = product.home / "failpoints"
        self.points.mkdir(parents=True, exist_ok=True)
        product.environment |= {
            "AUTOLOOP_FAILPOINTS": str(self.points),
            "AUTOLOOP_CRASH_RETRIES": "1000",
            "AUTOLOOP_CRASH_BACKOFF_S": "0",
        }

    def play(
        self,
        start: Callable[[], str],
        points: Sequence[str],
        victim: Victim,
        host: Host,
        state: Callable[[], str],
    ) -> Ending:
        """Start the work, kill *victim* at each of *points*, and wait for the end.

        Args:
            start: starts the work; gives the id of its flow run, or of its incident.
            state: what is on the host, in one word; asked after each kill.
        """
        began, kills, states = time.monotonic(), list[str](), list[str]()
        for point in points:
            (self.points / point).touch()
        try:
            run, end = start(), time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                reached = next(iter(self.points.glob("*.reached")), None)
                if reached is not None and (text := reached.read_text()):
                    kills.append(reached.stem)
                    self._kill(victim, int(text), host)
                    states.append(state())
                    reached.unlink()
                    end = time.monotonic() + PATIENCE_S
                elif reached is None and (final := self._final(run)):
                    return Ending(
                        run=final["id"],
                        state=final["state"]["name"],
                        attempts=final["run_count"],
                        kills=tuple(kills),
                        missed=tuple(path.name for path in sorted(self.points.iterdir())),
                        states=tuple(states),
                        seconds=round(time.monotonic() - began, 1),
                    )
                time.sleep(POLL_S)
            what = f"not ended {PATIENCE_S:g} s after {kills[-1:]}"
            raise JudgeFailed(f"run {run}, {victim} killed", what, f"see {self.product.home}")
        finally:
            for path in self.points.iterdir():
                path.unlink()

    def _kill(self, victim: Victim, flow: int, host: Host) -> None:
        if victim == "agent":
            host.inside("pkill -9 -f '[a]utoloop-agent$'")
            return
        pid = flow if victim == "flow" else self._living(victim)
        os.kill(pid, signal.SIGKILL)
        while Path(f"/proc/{pid}/stat").exists() and not _zombie(pid):
            time.sleep(0.005)

    def _living(self, victim: Victim) -> int:
        """The process of that name, once it is there again and serves."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            found = self.product.pids()
            with contextlib.suppress(httpx.HTTPError):
                url = f"{found['prefect']}/api/health" if victim == "server" else found["api"]
                httpx.get(url, timeout=2)
                if not _zombie(int(found[victim])):
                    return int(found[victim])
            time.sleep(0.05)
        raise JudgeFailed(victim, f"not there for {PATIENCE_S:g} s", f"see {self.product.home}")

    def _final(self, run: str) -> dict[str, Any] | None:
        """The flow run once it has ended; None as well while the server is away."""
        number = run
        if run.startswith("i-"):
            number = self.product.incident(run)["flow_run"]
        if not number:
            return None
        url = f"{self.product.pids()['prefect']}/api/flow_runs/{number}"
        try:
            reply = httpx.get(url, timeout=5)
            found: dict[str, Any] = reply.json() if reply.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return None
        ended = found.get("state_type") in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        return found if ended else None


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (OSError, IndexError):
        return True
