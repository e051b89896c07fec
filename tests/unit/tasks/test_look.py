"""A look: facts and cases in as few questions as possible."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest

import tasks.look as look_module
from autoloop.core.target import Answer, Read
from autoloop.core.work import Work
from tasks.look import keep_look, last_look, look_at, look_often, look_until_well


class Host:
    """A host on which nothing runs, or where all is well after some looks."""

    def __init__(
        self,
        well_after: int | None = None,
        *certificates: dict[str, Any],
        states: Sequence[str] = (),
        front: int = 0,
        ms: float = 1.0,
    ) -> None:
        self.front, self.ms = front, ms
        self.certificates = list(certificates)
        self.states = list(states)
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
            looks = sum(1 for ops in self.batches if "facts" in ops)
            ill = self.states[min(looks, len(self.states)) - 1] if self.states else "failed"
            out = state if well else f"ActiveState={ill}\n"
        values: dict[str, Any] = {
            "facts": {"time": 1.0, "uptime": 1.0},
            "listeners": rows if well else [],
            "drift": {"backup": "b", "changes": []},
            "disks": [],
            "memory": {"bytes": 5, "processes": 1, "biggest": 5, "command": "x"},
            "certificates": self.certificates,
            "sqlite_check": {"sound": True, "says": "ok"},
            "locks": [],
            "files": {"used": 1, "limit": 1024, "pid": 8},
            "http": {
                "status": 200 if well else self.front,
                "body": "",
                "ms": self.ms,
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
    assert len(host.batches) == 3  # the second one asks its ports, past any front, the third checks
    assert not look.well
    assert [c.why for c in look.cases] == ["no answer: x"]
    assert look.diagnosis.top.name == "SERVICE.service_down"


class Waiting(Host):
    """Its first batch is answered when the second has been, or in five seconds."""

    def __init__(self, well_after: int | None = None) -> None:
        super().__init__(well_after)
        self.closer = threading.Event()

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:
        """As the host does, in this order."""
        if any(read.op == "facts" for read in reads):
            self.closer.wait(5)
        answers = super().observe(reads, deadline_s)
        self.closer.set()
        return answers


@pytest.mark.parametrize("well_after", [None, 0])
def test_what_is_waited_for_in_vain_is_waited_for_once(
    spec: Any, monkeypatch: pytest.MonkeyPatch, well_after: int | None
) -> None:
    """Meanwhile the rest is asked, and not again; of one that was only slow it is not used."""
    monkeypatch.setattr(look_module, "SOON_S", 0.01)
    host = Waiting(well_after)
    look = look_at(spec, host)
    assert host.closer.is_set()
    assert [("reach" in ops, "facts" in ops) for ops in host.batches[:2]] == [
        (True, False),
        (False, True),
    ]
    assert sum("reach" in ops for ops in host.batches) == 1
    assert look.well is (well_after == 0)
    assert bool(look.facts.direct) is not look.well


def test_cases_of_an_application_that_is_slow_to_fail_are_asked_together(spec: Any) -> None:
    """Each of them would take as long as the first."""
    more = spec.cases[0].model_copy(update={"name": "more"})
    slow = spec.model_copy(update={"cases": (*spec.cases, more)})
    for status, ms, together in ((500, 1500.0, True), (504, 2000.0, True), (500, 5.0, False)):
        host = Host(front=status, ms=ms)
        look = look_at(slow, host)
        assert (["http", "http"] in host.batches) is together
        assert [c.why for c in look.cases] == [f"status {status}, expected 200"] * 2


def test_the_hosts_clock_is_held_against_ours(spec: Any) -> None:
    """It says that 1970 has just begun: its certificate is not good yet there."""
    year = 366 * 86400.0
    good = {"port": 443, "subject": "shop", "starts": 2.0, "ends": time.time() + year, "error": ""}
    look = look_at(spec, Host(0, good))
    assert look.facts.ahead == pytest.approx(1.0 - time.time(), abs=60)
    assert look.diagnosis.top.name == "CONFIG.wrong_clock"


def test_only_the_last_look_looks_closely(spec: Any) -> None:
    """The looks that confirm a trouble are one batch each; the last one asks all in its batch."""
    host, health = Host(), spec.health.model_copy(update={"confirm_gap_s": 0})
    look = look_often(spec.model_copy(update={"health": health}), host)
    assert [ops.count("http") for ops in host.batches] == [1, 1, 3, 0]
    assert look.diagnosis.top.name == "SERVICE.service_down"
    assert set(look.facts.direct) == {"app", "front"}


STARTING = "activating\nSubState=auto-restart\nResult=signal"
AGAIN = "active\nResult=success\nNRestarts="


@pytest.mark.parametrize(
    ("states", "looks"),
    [
        ([STARTING] * 5 + ["failed\nResult=signal"], 6),
        ([AGAIN + str(n) for n in range(5)] + [AGAIN + "4"], 6),
        (["activating\nSubState=auto-restart\nResult=exit-code"] * 9, 3),
        (["failed\nResult=exit-code\nNRestarts=1", AGAIN + "1", "failed\nResult=exit-code"], 3),
        ([AGAIN + "3"] * 9, 3),
    ],
)
def test_what_was_killed_and_is_started_again_is_waited_for(
    spec: Any, monkeypatch: pytest.MonkeyPatch, states: list[str], looks: int
) -> None:
    """Until its manager gives up or it stays; not for what ends by itself."""
    monkeypatch.setattr(look_module, "SETTLE_GAP_S", 0)
    host, health = Host(states=states), spec.health.model_copy(update={"confirm_gap_s": 0})
    look = look_often(spec.model_copy(update={"health": health}), host)
    assert sum("facts" in ops for ops in host.batches) == looks
    assert not look.well


def test_it_is_not_waited_for_without_end(spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some seconds, then it is told as it is."""
    monkeypatch.setattr(look_module, "SETTLE_S", 0)
    host, health = Host(states=[STARTING]), spec.health.model_copy(update={"confirm_gap_s": 0})
    assert not look_often(spec.model_copy(update={"health": health}), host).well
    assert sum("facts" in ops for ops in host.batches) == 3


def test_a_well_application_is_looked_at_once(spec: Any) -> None:
    """One batch for the facts, one for its case."""
    host = Host(well_after=0)
    assert look_often(spec, host).well
    assert len(host.batches) == 2


def test_a_trouble_that_no_case_shows_is_looked_at_closely_too(spec: Any) -> None:
    """Its procedure, if one is declared, must be asked whether it is due."""
    old = {"port": 443, "subject": "shop", "starts": 0, "ends": 0.5, "error": ""}
    host = Host(0, old)
    look = look_at(spec, host)
    assert [ops.count("run") for ops in host.batches[-1:]] == [1]
    assert (look.diagnosis.top.name, look.facts.direct.keys()) == (
        "SERVICE.tls_certificate",
        {"app", "front"},
    )


def test_a_look_is_used_once_by_the_next_step_of_its_run(spec: Any) -> None:
    """And by no other run."""
    host = Host()
    work, look = Work(id="i-1", app="shop"), look_at(spec, Host())
    keep_look(work, look)
    assert last_look(Work(id="i-2", app="shop"), spec, host) is not look
    assert last_look(work, spec, host) is look
    assert last_look(work, spec, host) is not look


def test_it_looks_until_all_is_well(spec: Any) -> None:
    """And no longer."""
    host = Host(well_after=1)
    assert look_until_well(spec, host, 10).well
    assert sum("facts" in ops for ops in host.batches) == 2


def test_an_old_certificate_does_not_keep_a_repair_from_its_proof(spec: Any) -> None:
    """It was there before, and it is another trouble; the one that was repaired must be gone."""
    old = {"port": 443, "subject": "shop", "starts": 0, "ends": 0.5, "error": ""}
    host, down = Host(1, old), "SERVICE.service_down"
    look = look_until_well(spec, host, 10, lambda seen: seen.rid_of(down))
    assert (look.well, look.usable, look.rid_of(down)) == (False, True, True)
    assert not look.rid_of("SERVICE.tls_certificate")
    assert not look_at(spec, Host()).rid_of(down)


def test_it_does_not_look_for_ever(spec: Any) -> None:
    """The last look is told."""
    assert not look_until_well(spec, Host(), 0).well
