"""Letters: subjects that are one line, names that are the same for the same ending."""

import pytest

from autoloop.core.errors import BadSpec
from autoloop.core.letter import addresses, letter_id, one_line, retry_after, subject_of
from autoloop.core.words import Words


@pytest.mark.parametrize(
    "text", ["a\r\nBcc: x@y", "a\nb", "a\x0bb", "a\u2028b", "a\x85b", "\ud800", "x" * 999]
)
def test_a_subject_is_one_short_line(text: str) -> None:
    """Whatever a log or a person put into it."""
    line = one_line(text)
    assert len(line) <= 180
    assert line.splitlines() == [line]
    assert line.encode()


def test_a_subject_holds_no_secret() -> None:
    """Mail travels far."""
    assert "hunter2" not in one_line("unknown password=hunter2")


def test_a_subject_says_application_cause_and_ending() -> None:
    """In the language that was chosen."""
    words = Words(en="repaired", zh="已修复")
    said = subject_of("shop", "CONFIG.env_missing", words, "i-1", "zh")
    assert said == "[autoloop] shop: CONFIG.env_missing — 已修复 (i-1)"


def test_the_same_ending_has_the_same_name() -> None:
    """Another ending of the same incident another."""
    one = letter_id("i-1", "asked a person", "2026-11-21T12:00:00.123+00:00")
    assert one == "i-1.asked-a-person.20261121120000123"
    assert letter_id("d-1", "put back", "") == "d-1.put-back"


@pytest.mark.parametrize(
    "text", ["nobody", "a@b@c", "A <a@b>", "a@b\nBcc: c@d", "a b@c", "名@x", '"a"@b']
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """At the start, not when the first mail is due."""
    with pytest.raises(BadSpec, match="is not one"):
        addresses(text)


def test_addresses_are_a_list() -> None:
    """Separated by commas; blanks do not matter."""
    assert addresses(" a@b, c.d@e.f ,") == ("a@b", "c.d@e.f")


def test_a_letter_is_tried_later_each_time_and_not_for_ever() -> None:
    """At most an hour apart, for three days."""
    assert [retry_after(n, 0) for n in (1, 2, 3, 99)] == [30, 60, 120, 3600]
    assert retry_after(1, 4 * 86400) is None
