"""A look: facts and cases in as few questions as possible."""

from collections.abc import Sequence
from typing import Any

from autoloop.core.target import Answer, Read
from tasks.look import look_at, look_until_well


class Host:
    """A host on which nothing runs, or where all is well after some looks."""

    def __init__(self, well_after: int | None = None) -> None:
        self.batches: list[list[str]] = []
        self.well_after = well_after

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:
        """Answers by the kind of read."""
        self.batches.append([read.op for read in reads])
        looks = sum(1 for ops in self.batches if "facts" in ops)
        well = self.well_after is not None and looks > self.well_after
        return tuple(self._answer(read, well) for read in reads)

    def _answer(self, read: Read, well: bool) -> Answer:
        port = {"app": (8080, 8), "front": (80, 9)}
        rows = [
            {"port": p, "address": "::", "owner": {"pid": pid}, "ancestors": [pid]}
            for p, pid in port.values()
        ]
        out = ""
        if read.op == "run" and read.args["argv"][:2] == ["systemctl", "show"]:
            unit = str(read.args["argv"][-1]).split(".")[0]
            state = f"ActiveState=active\nMainPID={port[unit][1]}\n"
            out = state if well else "ActiveState=failed\n"
        values: dict[str, Any] = {
            "facts": {"time": 1.0, "uptime": 1.0},
            "listeners": rows if well else [],
            "drift": {"backup": "b", "changes": []},
            "http": {
                "status": 200 if well else 0,
                "body": "",
                "ms": 1.0,
                "error": "" if well else "x",
            },
            "reach": [],
            "run": {"code": 0, "out": out, "err": "", "seconds": 0.0, "timed_out": False},
        }
        return Answer(ok=True, value=values[read.op])


def test_a_silent_application_is_asked_once(spec: Any) -> None:
    """Its other cases would only wait as well."""
    host = Host()
    look = look_at(spec, host)
    assert len(host.batches) == 2  # the second one asks its ports, past any front
    assert not look.well
    assert [c.why for c in look.cases] == ["no answer: x"]
    assert look.diagnosis.top.name == "SERVICE.service_down"


def test_it_looks_until_all_is_well(spec: Any) -> None:
    """And no longer."""
    host = Host(well_after=1)
    assert look_until_well(spec, host, 10).well
    assert sum("facts" in ops for ops in host.batches) == 2


def test_it_does_not_look_for_ever(spec: Any) -> None:
    """The last look is told."""
    assert not look_until_well(spec, Host(), 0).well
