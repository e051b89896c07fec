"""Settings files: read as systemd and shells do, changed a line at a time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.settings_file import parse_settings, put_back, with_settings

GOOD = "# shop\nPORT=8080\nexport HOST='a b'\n\nSECRET=\"x\"\n"
TEXTS = st.lists(
    st.one_of(
        st.sampled_from(["A=1", "A=2", "B=1", "# note", "", "C = 3", "x"]), st.text(max_size=9)
    ),
    max_size=8,
).map("\n".join)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (GOOD, {"PORT": "8080", "HOST": "a b", "SECRET": "x"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A=\n", {"A": ""}),
        ("A = 1 \r\n", {"A": "1"}),
        ("A=x=y", {"A": "x=y"}),
        ("A='", {"A": "'"}),
        ("#A=1\n1A=2\nA\n", {}),
        ("A=one\x0ctwo\u2028three\n", {"A": "one\x0ctwo\u2028three"}),
    ],
)
def test_settings_are_read(text: str, found: dict[str, str]) -> None:
    """Quotes off, the last wins, comments do not count."""
    assert parse_settings(text) == found


@pytest.mark.parametrize(
    ("now", "key", "then"),
    [
        ("# shop\nexport HOST='a b'\n\nSECRET=\"x\"\n", "PORT", GOOD),
        (GOOD.replace("8080", "9"), "PORT", GOOD),
        ("MINE=1\n", "PORT", "MINE=1\nPORT=8080\n"),
        ("MINE=1", "PORT", "MINE=1\nPORT=8080\n"),
        ("", "PORT", "PORT=8080\n"),
        ("# shop\r\nMINE=1\r\n", "PORT", "# shop\r\nMINE=1\r\nPORT=8080\n"),
        ("MINE=a\x0cb\u2028c\n# shop\n", "PORT", "MINE=a\x0cb\u2028c\n# shop\nPORT=8080\n"),
    ],
)
def test_a_line_comes_back_at_its_place(now: str, key: str, then: str) -> None:
    """Every other byte stays."""
    assert put_back(now, GOOD, frozenset({key})) == then


@given(now=TEXTS, good=TEXTS)
def test_only_the_asked_key_changes(now: str, good: str) -> None:
    """The key is as in the good state, all others as they are; twice is once."""
    keys = frozenset({"A"})
    once = put_back(now, good, keys)
    before, after, wanted = map(parse_settings, (now, once, good))
    assert after.get("A") == wanted.get("A")
    assert {k: v for k, v in after.items() if k != "A"} == {
        k: v for k, v in before.items() if k != "A"
    }
    assert put_back(once, good, keys) == once


@pytest.mark.parametrize(
    ("text", "values", "after"),
    [
        ("A=1\nB=2\n", {"A": "3"}, "A=3\nB=2\n"),
        ("A=1\nA=2\n", {"A": "3"}, "A=1\nA=3\n"),
        ("export A='x'", {"A": "3"}, "export A=3\n"),
        ("B=2", {"A": "3"}, "B=2\nA=3\n"),
        ("", {"A": "a b", "B": "$x"}, "A='a b'\nB='$x'\n"),
    ],
)
def test_values_are_set_in_the_line_that_counts(
    text: str, values: dict[str, str], after: str
) -> None:
    """Others are untouched; what a shell would read is quoted."""
    assert with_settings(text, values) == after
    assert parse_settings(after) | values == parse_settings(after)


@pytest.mark.parametrize("values", [{"A": "it's"}, {"A": "a\nB=2"}, {"A B": "1"}, {"": "1"}])
def test_what_cannot_be_written_is_refused(values: dict[str, str]) -> None:
    """A value never becomes another line."""
    with pytest.raises(ValueError, match=r"A|name"):
        with_settings("", values)
