"""The step that opens: what was told must name what there is."""

from pathlib import Path

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.errors import BadRequest, NotFound
from autoloop.core.incident import Incident
from autoloop.core.told import Told, told
from autoloop.core.work import Work
from autoloop.ledger.store import Ledger
from tasks import incident as step

WORK = Work(id="run-1", app="shop")


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: AppSpec) -> Ledger:
    """A ledger with the shop under care."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    made.save_app("shop", {})
    monkeypatch.setattr(step, "ledger", lambda: made)
    monkeypatch.setattr(step, "spec_of", lambda _: spec)
    return made


def opened(what: Told) -> Incident:
    """The incident that the step gives."""
    made: Incident = step.open_incident.fn(WORK, what)
    return made


def test_what_a_form_says_is_kept_with_the_incident(book: Ledger) -> None:
    """Words and fields; the run works on it at once."""
    one = opened(told("SERVICE", "shop", "502", "unknown", component="front"))
    assert (one.text, one.state, one.source) == ("502", "diagnosing", "ui")
    assert one.fields == {"type": "SERVICE", "component": "front"}


@pytest.mark.parametrize(
    ("what", "error", "words"),
    [
        (Told(app="nix"), NotFound, "app 'nix': is not under care - autoloop register"),
        (Told(app="shop", incident="i-0"), NotFound, "incident 'i-0': does not exist - "),
        (
            told("SERVICE", "shop", "", "unknown", component="cache"),
            BadRequest,
            "component 'cache': shop has no such component, but front, app - choose one",
        ),
    ],
)
def test_a_wrong_name_is_refused_and_opens_nothing(
    book: Ledger, what: Told, error: type[Exception], words: str
) -> None:
    """The message names field, value and next step."""
    with pytest.raises(error, match=words):
        opened(what)
    assert book.records() == []
