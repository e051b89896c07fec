"""What holds for any text: an answer, the same one whenever it was logged, in bounded time."""

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloop.core.reading import text_engine
from autoloop.core.reading.signatures import book

EXAMPLES = [
    *(text for s in book().signatures for text, _ in s.examples),
    "job 7 hit a deadlock and was rolled back",
]
LOG_LIKE = st.lists(st.one_of(st.text(max_size=80), st.sampled_from(EXAMPLES)), max_size=30).map(
    "\n".join
)


@settings(max_examples=150)
@given(LOG_LIKE)
def test_any_text_has_an_answer(text: str) -> None:
    """Never an exception, never nothing, always within bounds."""
    causes = text_engine().read(text)
    assert 1 <= len(causes) <= 5
    assert len({cause.name for cause in causes}) == len(causes)


@settings(max_examples=100)
@given(
    st.sampled_from(EXAMPLES),
    st.integers(0, 23),
    st.sampled_from((429, 502, 504, 401, 137, 111, 98, 28, 10061)) | st.integers(100, 99999),
    st.uuids(),
)
def test_when_and_in_which_process_does_not_matter(text, hour, pid, request_id) -> None:
    """Other times, processes and requests, the same answer."""

    def line(hour: int, pid: int, number: str) -> str:
        return f"Mar  3 {hour:02}:10:09 web1 shop[{pid}]: request={number} {text}"

    first = line(1, 4711, "6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    one, other = (text_engine().read(t)[0] for t in (first, line(hour, pid, str(request_id))))
    assert (one.name, one.culprit, one.confidence) == (other.name, other.culprit, other.confidence)


def test_nor_does_it_for_any_example() -> None:
    """Hours, processes, requests: digits that are codes elsewhere, held against plain ones."""
    plain = "Mar  3 01:10:09 web1 shop[4711]: request=6f9619ff-8b86-4d01-b42d-00cf4fc964ff "
    other = "Mar  3 13:28:32 web1 shop[429]: request=ffffffff-1234-4999-8504-abcdefabc502 "
    read = text_engine().read
    for text in EXAMPLES:
        one, two = read(plain + text)[0], read(other + text)[0]
        assert (one.name, one.culprit, one.confidence) == (two.name, two.culprit, two.confidence)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece", ["a", " ", "error ", "x=", '"', "(", "at a.b(C.java:1)\n", "失败", "1.1."]
)
def test_time_does_not_run_away(piece: str) -> None:
    """A quarter of a megabyte of anything is read; in quadratic time it would take many minutes."""
    text = "connection refused error: " + piece * (256_000 // len(piece))
    assert text_engine().read(text)


def test_a_quoted_statement_is_no_wording() -> None:
    """Names of columns mean nothing: `blocked` is no locked account."""
    text = (
        "sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked\n"
        "[SQL: SELECT users.id, users.username, users.blocked \n"
        "FROM users \nWHERE users.username = ?]"
    )
    assert text_engine().read(text)[0].name == "DATABASE.deadlock_or_lock_timeout"


HOSTILE = [
    "a" * 1_000_000,
    "\0" * 1_000_000,
    "\n" * 1_000_000,
    "[<(" * 300_000,
    '{"a":' * 200_000,
    '{"msg":"' + "\\n".join(["error failed"] * 50_000),
    "\x1b[" + "0;" * 300_000,
    "ERROR x\n" + "    y error\n" * 50_000,
    "AbcDef" * 100_000 + "Exception",
    "A" * 300_000 + "_ERROR",
    'sqlalchemy error\n[SQL: "' * 20_000,
    "web-1  | error x\n" * 50_000,
    "İ\ud800 " * 100_000,
    (b"\xff\xfe error \xc3" * 100_000).decode("utf-8", "surrogateescape"),
]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[:9]))
def test_hostile_texts_are_read_like_others(text: str) -> None:
    """Bytes that are no text, lines without an end, brackets that nobody closes."""
    causes = text_engine().read(text + " connection refused")
    assert causes[0].name != "NONE.benign"


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["membera", "credentiala", "reconnecti", "saslf", "-a", "-.a"])
def test_letters_without_an_end_take_no_time(piece: str) -> None:
    """What patterns repeat has an end."""
    line = piece * (1200 // len(piece))
    ends = "locked", "token expired", "config", "upstream", "sasl failed"
    text = "\n".join(f"error {end}: {line} {end}" for end in ends * 20)
    assert text_engine().read(text)


def test_of_a_long_text_only_the_ends_are_held() -> None:
    """Ten megabytes take no more memory than the quarter of one that is read."""
    text = "2026-03-03 10:00:00 ERROR connection refused by db:5432\n" * 180_000
    text_engine().read("connection refused")
    tracemalloc.start()
    try:
        text_engine().read(text)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8_000_000
