"""The classifier: what it counts, that it is of the texts that are here, and what it says."""

import hashlib
import json
from importlib import resources
from math import exp
from pathlib import Path

import pytest

from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.learned import READ, counted, learned, words

TEXTS = Path(__file__).parents[3] / "learning" / "texts"


def test_words_and_pairs_are_counted() -> None:
    """Names are taken apart; a pair does not reach over the end of a line."""
    assert words("PaymentRefused by\nshop") == {
        *("payment", "refused", "by", "shop"),
        *("payment refused", "refused by"),
    }


def test_numbers_count_by_their_length_unless_they_may_be_codes() -> None:
    """An amount is any amount, 502 is 502."""
    assert words("70123") == words("55512")
    assert words("502") != words("307")
    assert words("1045") != words("1999")


def test_chinese_is_counted_by_characters() -> None:
    """There are no gaps between words."""
    assert {"密", "密 码", "密 码 错"} <= words("密码错误")


def test_identifiers_and_processes_are_not_counted() -> None:
    """What changes with each request tells nothing."""
    one, other = (
        counted(Excerpt(f"shop[{pid}]: request 6f9619ff-8b86-4d01-b42d-00cf4fc9{pid} failed"))
        for pid in ("4294", "5021")
    )
    assert one == other


def test_probabilities_are_probabilities() -> None:
    """Of all names together, whatever the text."""
    for text in ("密码错误", "no space left on device", "", "x" * READ, "\u2028 \ud83d 0x00"):
        told = learned().likely(Excerpt(text))
        assert sum(map(exp, told.values())) == pytest.approx(1)


def test_the_line_that_tells_is_found() -> None:
    """Among others."""
    lines = ["started", "the password of this account is wrong", "stopped"]
    assert learned().telling("LOGIN.wrong_password", lines) == 1


def test_it_was_trained_on_the_texts_that_are_here() -> None:
    """Else: make learned."""
    texts = sorted(TEXTS.glob("*.jsonl"))
    assert len(texts) > 4
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in texts)).hexdigest()
    assert learned().of == digest


def test_both_files_are_of_one_training() -> None:
    """Else one was written and the other not: make learned."""
    folder = resources.files("autoloop.core.reading") / "signatures"
    table = json.loads((folder / "learned.json").read_text(encoding="utf-8"))
    weights = (folder / "learned.bin").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == table["weights"]
    assert len(weights) == len(table["words"]) * (1 + len(table["names"]))
