"""The outbox: a letter is written once, sent by one, and tried again later."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from autoloop.core.letter import Letter
from autoloop.ledger import outbox
from autoloop.ledger.outbox import Outbox
from autoloop.ledger.store import Ledger

LETTER = Letter(id="i-1.closed", about="i-1", subject="s", text="t", html="<p>t</p>")


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Outbox]:
    """Empty."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield Outbox(book)
    book.engine.dispose()


def test_a_letter_is_written_once(box: Outbox) -> None:
    """Also after it was sent."""
    assert (box.put(LETTER), box.put(LETTER)) == (True, False)
    assert box.claim() == (LETTER, 0)
    box.sent(LETTER.id)
    assert (box.put(LETTER), box.claim()) == (False, None)


def test_of_many_senders_one_gets_it(box: Outbox) -> None:
    """The step and the node may try at the same time."""
    box.put(LETTER)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: box.claim(LETTER.id), range(16)))
    assert sum(claim is not None for claim in claims) == 1


def test_what_a_dead_sender_had_is_due_again(box: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the time that sending may take."""
    box.put(LETTER)
    monkeypatch.setattr(outbox, "CLAIM_S", -1.0)
    assert box.claim() == (LETTER, 0)
    assert box.claim() == (LETTER, 1)


def test_what_failed_waits_and_is_given_up_in_the_end(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is not tried any more."""
    box.put(LETTER)
    assert box.claim()
    assert not box.failed(LETTER.id, "away")
    assert box.claim() is None
    monkeypatch.setattr(outbox, "retry_after", lambda *_: None)
    assert box.failed(LETTER.id, "away")
    monkeypatch.setattr(outbox, "now", lambda: "2999")
    assert box.claim() is None
