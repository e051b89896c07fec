"""Runs of the cases that are remembered."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.ledger.store import Ledger
from autoloop.ledger.trials import Trials


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[Trials]:
    """None yet."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield Trials(book)
    book.engine.dispose()


def test_the_newest_and_the_last_good_are_remembered(trials: Trials) -> None:
    """For each application."""
    assert trials.last("shop") == (None, None)
    trials.save("shop", {"n": 1}, True, 5)
    trials.save("shop", {"n": 2}, False, 5)
    trials.save("other", {"n": 3}, True, 5)
    assert trials.last("shop") == ({"n": 2}, {"n": 1})


def test_old_runs_are_forgotten_but_never_the_last_good_one(trials: Trials) -> None:
    """However long ago it was."""
    for number in range(10):
        trials.save("shop", {"n": number}, number == 1, 2)
    assert trials.last("shop") == ({"n": 9}, {"n": 1})
    trials.save("shop", {"n": 10}, True, 2)
    assert trials.last("shop") == ({"n": 10}, {"n": 10})
