"""What changed in a file, line by line, without its secrets."""

from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.difference import LINES, difference


def test_a_changed_line_is_shown_with_its_neighbours() -> None:
    """As a unified diff."""
    assert difference("a=1\nport=2\nc=3\n", "a=1\nport=4\nc=3\n") == (
        "@@ -1,3 +1,3 @@",
        " a=1",
        "-port=2",
        "+port=4",
        " c=3",
    )


def test_secrets_are_hidden_on_both_sides() -> None:
    """By the name of the setting, or by how they look; a change of them alone shows nothing."""
    before = "SALT=hunter2\nURL=postgres://a:hunter2@db/x\n"
    lines = difference(before, before.replace("SALT=hunter2\n", "SALT=hunter3\nPORT=1\n"))
    assert "hunter" not in "".join(lines)
    assert "+PORT=1" in lines
    assert difference("password: hunter2", "password: hunter3") == ()


def test_it_is_not_endless_and_no_text_has_none() -> None:
    """A whole file may have changed."""
    assert len(difference("", "x\n" * 5000)) == LINES + 1
    assert difference("\0a", "b") == ()


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_can_be_compared(one: str, other: str) -> None:
    """The same have no difference."""
    assert difference(one, one) == ()
    assert all("\n" not in line for line in difference(one, other))
