"""The remedy `release_lock`."""

from autoloop.core.app import AppSpec, Component
from autoloop.core.case import Case
from autoloop.core.diagnosis import Cause
from autoloop.core.facts import DataLock, Facts
from autoloop.core.remedy import Context, Proposal, Refusal
from tasks.remedies import for_cause
from tasks.remedies.release_lock import REMEDY

DATA = "/srv/shop/shop.db"


class NoHost:
    """This remedy decides from the facts alone."""

    def observe(self, reads, deadline_s=20.0):
        raise AssertionError("it asked the host")


def held_by(*units: str) -> Context:
    """A shop whose database is held by a process of each of *units*."""
    parts = tuple(Component(name=name, unit=f"{name}.service") for name in ("app", "worker"))
    locks = tuple(DataLock(path=DATA, kind="WRITE", pid=7, unit=unit) for unit in units)
    return Context(
        spec=AppSpec(name="shop", components=parts, cases=(Case(name="h", url="http://x"),)),
        facts=Facts(components={}, locks=locks),
        cause=Cause(
            name="DATABASE.deadlock_or_lock_timeout", culprit=DATA, component="app", confidence=0.9
        ),
    )


def test_it_is_in_the_library() -> None:
    """The file in the folder is enough."""
    assert REMEDY in for_cause("DATABASE.deadlock_or_lock_timeout")


def test_the_component_that_holds_it_is_restarted() -> None:
    """Not the one that waits; declared as one effect."""
    offer = REMEDY.propose(held_by("worker.service"), NoHost())
    assert isinstance(offer, Proposal)
    assert [a.action.argv[1:] for a in offer.actions] == [
        ("reset-failed", "worker.service"),
        ("restart", "worker.service"),
    ]
    assert [str(effect) for effect in offer.effects] == ["unit worker.service: running → running"]


def test_a_process_of_others_is_left_to_a_person() -> None:
    """It is named: it may be a backup, or a person at work."""
    for unit in ("backup.service", ""):
        offer = REMEDY.propose(held_by(unit), NoHost())
        assert isinstance(offer, Refusal) and offer.person
        assert f"process 7 {unit}" in offer.why.en


def test_a_lock_that_has_gone_is_no_reason() -> None:
    """Nor is one of the component that waits: other remedies are asked."""
    for units in ((), ("app.service",)):
        offer = REMEDY.propose(held_by(*units), NoHost())
        assert isinstance(offer, Refusal) and not offer.person
