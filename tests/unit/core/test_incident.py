"""Incidents: what doors make, what counts as the same, where one may go."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.errors import BadRequest, NotSettled
from autoloop.core.incident import (
    ENDED,
    MOVES,
    TEXT_LIMIT,
    State,
    check_move,
    clip,
    digest,
    fingerprint,
    how_reported,
    request_of,
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("worker 12 died", "Worker  99\ndied", True),
        ("2026-01-02 03:04:05,678 x", "2025-11-12T13:14:15Z x", True),
        ("at 0xdeadbeef", "at 0x12", True),
        (
            "run 6c1d6ea6-2c1a-4b8e-9f59-1f0a3c0d9b11",
            "run 7d1d6ea6-2c1a-4b8e-9f59-1f0a3c0d9b12",
            True,
        ),
        ("disk full", "port taken", False),
        ("", "", True),
    ],
)
def test_numbers_ids_and_times_do_not_count(one: str, other: str, same: bool) -> None:
    """The same trouble told twice has the same fingerprint."""
    marks = [fingerprint(request_of("shop", text)) for text in (one, other)]
    assert (marks[0] == marks[1]) is same


def test_application_and_tenant_count() -> None:
    """The same words about another application are another trouble."""
    whole = {fingerprint(request_of(app, "x", tenant=t)) for app in "ab" for t in "cd"}
    assert len(whole) == 4


def test_what_a_form_was_filled_with_counts() -> None:
    """Two forms without words are the same trouble only when they say the same."""
    fields: list[dict[str, str]] = [
        {},
        {"type": "login"},
        {"type": "LOGIN"},
        {"type": "LOGIN", "username": "lan"},
        {"type": "LOGIN", "username": "lan", "request": "77"},
    ]
    assert len({fingerprint(request_of("shop", "", fields=each)) for each in fields}) == 3


@given(st.text(), st.text(), st.text(), st.text())
def test_borders_of_a_digest_count(a: str, b: str, c: str, d: str) -> None:
    """Two lists of parts have one digest only when they are one."""
    if "\0" not in a + b + c + d:
        assert (digest(a, b) == digest(c, d)) is ((a, b) == (c, d))


@pytest.mark.parametrize("length", [0, TEXT_LIMIT, TEXT_LIMIT + 1, 3 * TEXT_LIMIT])
def test_a_long_text_keeps_its_ends(length: int) -> None:
    """The middle is cut, and that is said."""
    text = clip("A" + "x" * length + "Z")
    assert len(text) <= TEXT_LIMIT
    assert (text[0], text[-1]) == ("A", "Z")
    assert ("characters cut" in text) is (length + 2 > TEXT_LIMIT)


@pytest.mark.parametrize(
    ("given_", "place"),
    [
        ({"app": "Bad App", "text": ""}, "app"),
        ({"app": "", "text": ""}, "app"),
        ({"app": "my_app", "text": ""}, "app"),
        ({"app": "a", "text": "", "idempotency_key": "k" * 129}, "idempotency_key"),
        ({"app": "a", "text": "", "source": "pigeon"}, "source"),
    ],
)
def test_what_cannot_be_taken_is_named(given_: dict[str, str], place: str) -> None:
    """Every door says it in the same words."""
    with pytest.raises(BadRequest) as caught:
        request_of(**given_)
    assert caught.value.place == place


def test_text_that_is_no_unicode_is_taken() -> None:
    """An argument of a shell may hold any byte."""
    assert request_of("a", "x\udcffy").text == "x?y"


@pytest.mark.parametrize(
    ("source", "actor", "words"),
    [
        ("cli", "ann", "reported through the command line by ann"),
        ("api", "token", "reported through the API"),
        ("python", "anonymous", "reported through Python"),
        ("ui", "ui", "reported through the Prefect UI"),
        ("alert", "pager", "reported through an alert by pager"),
        ("health", "health", "found by a health check"),
    ],
)
def test_it_is_told_how_trouble_came_in(source: str, actor: str, words: str) -> None:
    """The door, and a name where there is one."""
    assert how_reported(request_of("shop", "", source=source, actor=actor)) == words


ORDINARY = ["open", "diagnosing", "planned", "repairing", "proving", "rolled back", "repairing"]


@pytest.mark.parametrize(("now", "to"), list(pairwise([*map(State, ORDINARY), State.PROVING])))
def test_the_ordinary_way_is_open(now: State, to: State) -> None:
    """From the first word to another attempt."""
    check_move("i-1", now, to)


@pytest.mark.parametrize("now", [State.CLOSED, State.IGNORED])
@pytest.mark.parametrize("to", list(State))
def test_nothing_follows_the_end(now: State, to: State) -> None:
    """The message says so."""
    with pytest.raises(NotSettled, match="it has ended"):
        check_move("i-1", now, to)


def test_every_state_that_is_not_an_end_leads_to_a_person() -> None:
    """Nobody is ever stuck."""
    for state in set(State) - ENDED:
        assert State.ASKED in MOVES[state]
    assert set(MOVES) == set(State)
