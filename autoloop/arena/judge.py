"""The judge: breaks a host, lets the product work, and says whether the host is whole again.

::

    judge = Judge(host, fault)
    judge.baseline()            # a fresh host, everything noted
    judge.inject()              # in a process that the product cannot see
    ...                         # the product works, with what it has in production
    verdict = judge.verdict(effects_that_it_declared)

It knows nothing of diagnosis, plans and remedies.
"""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from autoloop.arena import cluster
from autoloop.arena.covering import Declared
from autoloop.arena.covering import effects as declared_effects
from autoloop.arena.disk import Disk
from autoloop.arena.errors import CommandTimedOut, JudgeFailed
from autoloop.arena.fault import Fault
from autoloop.arena.harm import Ledger, changes, differences, ledger, started_again
from autoloop.arena.hosts import Host
from autoloop.arena.inside import Finished
from autoloop.arena.packages import files_of
from autoloop.arena.processes import wait_until
from autoloop.arena.state import State, aligned, take

UNIT = "lingzhi.service"
ANSWERS = """
for at in http://127.0.0.1 https://127.0.0.1; do
    curl --fail --silent --insecure --max-time 5 --output /dev/null $at/api/health || exit 1
done
systemctl is-system-running --quiet
"""


def restart(*units: str) -> str:
    """A script that starts the units anew, one after the other, also those that gave up."""
    return "\n".join(f"systemctl reset-failed {u}; systemctl restart {u} || exit" for u in units)


@dataclass(frozen=True)
class Pace:
    """How long the judge waits, in seconds."""

    ready_s: float = 60
    window_s: float = 10  # a repair must hold that long
    looks: int = 3  # how often it looks in that time
    script_s: float = 120


@dataclass(frozen=True)
class Look:
    """What `healthy` and `keep` said at one moment."""

    healthy: bool
    keep: bool
    words: str

    @property
    def green(self) -> bool:
        """Whether both said yes."""
        return self.healthy and self.keep


@dataclass(frozen=True)
class Verdict:
    """What became of the host.

    works: `healthy` and `keep` after the settling time. held: still so after the window and a
    restart of the app's unit, and of its database's. harm: what is different and was not
    declared. acted: whether anything was changed at all since the injection.
    """

    works: bool
    held: bool
    acted: bool
    harm: tuple[str, ...]
    words: str

    @property
    def repaired(self) -> bool:
        """Works, held, and nothing was harmed."""
        return self.works and self.held and not self.harm


class Judge:
    """Judges one fault on one host. Every step is done once, in order."""

    def __init__(self, host: Host, fault: Fault, pace: Pace | None = None) -> None:
        self.host = host
        self.fault = fault
        self.pace = pace or Pace()
        self.injected_at = 0.0
        self._units = (UNIT,) if fault.profile == "sqlite" else (cluster.UNIT, UNIT)
        self._probes = (files("autoloop.arena") / "probes.sh").read_text(encoding="utf-8")
        if fault.profile == "postgres":
            self._probes += cluster.probes()
        self._before: State | None = None
        self._broken: State | None = None

    def baseline(self) -> None:
        """Wait until the fresh host's app answers, then note its whole state."""
        if not wait_until(self._answers, self.pace.ready_s, 0.2):
            raise JudgeFailed(f"host {self.host.name}", "its app never answered", "see its logs")
        self._before = take(self.host)

    def inject(self) -> None:
        """Break it, as a visitor whose login is over. Raises `JudgeFailed` if that fails."""
        if self._before is None:
            raise JudgeFailed(f"fault {self.fault.name}", "no baseline yet", "call baseline()")
        self.injected_at = time.time()
        done = self.host.inside(self.fault.inject, visitor=True, timeout_s=self.pace.script_s)
        if not done.ok:
            raise JudgeFailed(f"fault {self.fault.name}: inject", done.words, "correct the fault")
        self._broken = take(self.host)
        self._run_if_any(self.fault.work)

    def look(self) -> Look:
        """Run `healthy` and `keep` once."""
        healthy = self._script(self.fault.healthy)
        keep = self._script(self.fault.keep)
        wrong = [
            f"{name}: {done.words}"
            for name, done in (("healthy", healthy), ("keep", keep))
            if not done.ok
        ]
        return Look(healthy.ok, keep.ok, "; ".join(wrong) or "healthy and kept")

    def verdict(self, effects: Iterable[Any] = ()) -> Verdict:
        """What became of the host, given the effects that the plan declared as JSON objects."""
        declared = declared_effects(effects)
        time.sleep(self.fault.settle_s)
        end = take(self.host)
        self._run_if_any(self.fault.work)
        first = self.look()
        held, words = self._holds() if first.green else (False, first.words)
        at_end, later = self._ledger(end, declared), self._ledger(take(self.host), declared)
        rows = [one for one in later.harm if not one.startswith(("rows ", "schema "))]
        cured = first.green and not self.fault.is_control
        acted = cured or self._touched(end)
        harm = tuple(dict.fromkeys([*at_end.harm, *rows]))
        return Verdict(first.green, held, acted, harm, words)

    def _holds(self) -> tuple[bool, str]:
        """Whether it holds for the window and, where something was broken, over a restart."""
        for _ in range(self.pace.looks):
            time.sleep(self.pace.window_s / self.pace.looks)
            if not (look := self.look()).green:
                return False, f"in the window: {look.words}"
        if self.fault.is_control:
            return True, "held"
        if not (done := self._script(restart(*self._units))).ok:
            return False, f"restart of {' and '.join(self._units)}: {done.words}"
        self._run_if_any(self.fault.again)
        time.sleep(self.fault.settle_s)
        self._run_if_any(self.fault.work)
        look = self.look()
        return look.green, "held" if look.green else f"after a restart: {look.words}"

    def _ledger(self, end: State, declared: Sequence[Declared]) -> Ledger:
        before, broken = self._noted()
        disk = Disk(self.host.disk, self.host.layers)
        found = changes(*aligned([before, broken, end], disk))
        paths = [change.subject for change in found]
        return ledger(found, declared, lambda name, where: files_of(disk, paths, name, where))

    def _touched(self, end: State) -> bool:
        """Whether anything is different from how the fault left it, or was started again."""
        before, broken = self._noted()
        facts = aligned([before, broken, end], Disk(self.host.disk, self.host.layers))
        return bool(differences(*facts)) or bool(started_again(broken, end))

    def _noted(self) -> tuple[State, State]:
        if self._before is None or self._broken is None:
            raise JudgeFailed(f"fault {self.fault.name}", "not injected yet", "call inject()")
        return self._before, self._broken

    def _answers(self) -> bool:
        return self.host.inside(ANSWERS, timeout_s=self.pace.script_s).ok

    def _run_if_any(self, script: str) -> None:
        """Run a workload; that it fails may be the very symptom."""
        if script.strip():
            self._script(script)

    def _script(self, script: str) -> Finished:
        """Run a script with the probes at hand; one that does not end has failed."""
        try:
            return self.host.inside(f"{self._probes}\n{script}", timeout_s=self.pace.script_s)
        except CommandTimedOut as error:
            return Finished(124, "", str(error))
