"""Is every fault a fault? Red before any repair and when left alone, green after each right
repair, red after each wrong one; each on a fresh host. A fault that fails this is a bug of
the arena.
"""

import contextlib
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from autoloop.arena.errors import ArenaError, NoSuchHost
from autoloop.arena.fault import Fault
from autoloop.arena.hosts import everybody, find, sweep, up
from autoloop.arena.image import Image, images
from autoloop.arena.judge import Judge, Pace, Verdict
from autoloop.arena.processes import ProcessId
from autoloop.arena.progress import say

Colour = Literal["red", "green", "none"]
LEFT_ALONE_S = 30.0
MOST_LINES = 25  # of harm in a report


@dataclass(frozen=True)
class Step:
    """One thing that is tried on a host of its own, and the colour that is right after it."""

    fault: Fault
    name: str
    expected: Colour
    repair: str | None = None  # None: it is left alone


@dataclass(frozen=True)
class Found:
    """What came of a step."""

    fault: str
    step: str
    expected: Colour
    found: Colour
    seconds: float
    why: str
    harm: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is as it should be."""
        return self.expected == self.found


def steps_of(fault: Fault) -> list[Step]:
    """All steps by which a fault is checked."""
    alone: Colour = "green" if fault.is_control else "red"
    return [
        Step(fault, "left alone", alone),
        *(Step(fault, f"good {n}", "green", text) for n, text in enumerate(fault.good, 1)),
        *(Step(fault, f"bad {n}", "red", text) for n, text in enumerate(fault.bad, 1)),
    ]


def check(
    faults: Sequence[Fault], jobs: int = 2, alone_s: float = LEFT_ALONE_S, pace: Pace | None = None
) -> list[Found]:
    """Check the faults, `jobs` hosts at a time. Hosts do not outlive it, however it ends."""
    sweep()
    made = images(fault.profile for fault in faults)
    pool = ThreadPoolExecutor(jobs)
    steps = [step for fault in faults for step in steps_of(fault)]
    running = [
        pool.submit(_tried, step, made[step.fault.profile], alone_s, pace or Pace())
        for step in steps
    ]
    try:
        return [_reported(n, len(running), future) for n, future in enumerate(running, 1)]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        _end_own_hosts()
        raise
    finally:
        pool.shutdown()


def as_json(found: Sequence[Found]) -> dict[str, Any]:
    """The report: one row a fault, with its steps, and a summary."""
    names = dict.fromkeys(one.fault for one in found)
    rows = []
    for name in names:
        steps = [one for one in found if one.fault == name]
        ok = all(one.ok for one in steps)
        rows.append({"name": name, "ok": ok, "steps": [_row(one) for one in steps]})
    return {
        "faults": rows,
        "summary": {
            "faults": len(rows),
            "ok": sum(row["ok"] is True for row in rows),
            "steps": len(found),
            "steps_ok": sum(one.ok for one in found),
        },
    }


def _row(one: Found) -> dict[str, Any]:
    fields = asdict(one)
    del fields["fault"]
    more = len(one.harm) - MOST_LINES
    harm = [*one.harm[:MOST_LINES], *([f"and {more} more"] if more > 0 else [])]
    return {**fields, "harm": harm, "ok": one.ok}


def _reported(number: int, of: int, future: "Future[Found]") -> Found:
    one = future.result()
    mark = "ok   " if one.ok else "WRONG"
    why = "" if one.ok else f" - {one.why}"
    say(f"{number}/{of} {mark} {one.fault}: {one.step}: {one.found} ({one.seconds:.0f} s){why}")
    return one


def _tried(step: Step, image: Image, alone_s: float, pace: Pace) -> Found:
    start = time.monotonic()
    try:
        with up(f"lz-{secrets.token_hex(3)}", image) as host:
            judge = Judge(host, step.fault, pace)
            judge.baseline()
            judge.inject()
            found = (
                _left_alone(step, judge, alone_s) if step.repair is None else _tried_on(step, judge)
            )
    except ArenaError as error:
        found = Found(step.fault.name, step.name, step.expected, "none", 0, str(error))
    return replace(found, seconds=round(time.monotonic() - start, 1))


def _left_alone(step: Step, judge: Judge, alone_s: float) -> Found:
    """Looked at as soon as it has settled, and again after the wait."""
    time.sleep(step.fault.settle_s)
    if step.fault.is_control:
        time.sleep(alone_s)
        return _seen(step, judge.verdict())
    for moment in ("at once", f"after {alone_s:g} s"):
        look = judge.look()
        if look.healthy:
            return Found(step.fault.name, step.name, "red", "green", 0, f"healthy {moment}")
        time.sleep(0 if moment != "at once" else alone_s)
    return Found(step.fault.name, step.name, "red", "red", 0, look.words)


def _tried_on(step: Step, judge: Judge) -> Found:
    """The repair is made by somebody who logs in, and judged as any repair."""
    time.sleep(step.fault.settle_s)
    if not step.fault.is_control and judge.look().healthy:
        return Found(step.fault.name, step.name, step.expected, "none", 0, "healthy before it")
    done = judge.host.inside(step.repair or "", visitor=True, timeout_s=judge.pace.script_s)
    found = _seen(step, judge.verdict())
    return found if done.ok else replace(found, why=f"{found.why}; the repair: {done.words}")


def _seen(step: Step, verdict: Verdict) -> Found:
    """Green for what works and holds; for a control, nobody may have touched it either."""
    touched = step.fault.is_control and verdict.acted
    green = verdict.works and verdict.held and not touched
    why = f"{verdict.words}; somebody acted" if touched else verdict.words
    colour: Colour = "green" if green else "red"
    return Found(step.fault.name, step.name, step.expected, colour, 0, why, verdict.harm)


def _end_own_hosts() -> None:
    mine = ProcessId.own()
    for record in everybody():
        if record.owner == mine:
            with contextlib.suppress(NoSuchHost):
                find(record.name).crash()
