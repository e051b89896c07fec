"""Every engine finds marks in the same lines."""

import importlib.util
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.errors import BadRequest
from autoloop.core.reading.signatures import book
from autoloop.logs.engines import ENGINES, HALVED, Re2, engine
from autoloop.logs.target.marks import MARKS

EVERY = [
    pytest.param(
        name,
        marks=[
            pytest.mark.engines,
            pytest.mark.skipif(not importlib.util.find_spec(name), reason=f"{name} is not there"),
        ],
    )
    if name != "standard"
    else name
    for name in ENGINES
]

words = st.one_of(
    st.sampled_from(MARKS),
    st.sampled_from(MARKS).map(bytes.upper),
    st.sampled_from(MARKS).map(lambda mark: mark[:-1]),
    st.sampled_from([b"\n", b"\r\n", b" ", b"info", b"200", b"\xff\xfe", b"\0", "好".encode()]),
    st.binary(max_size=6),
)
blocks = st.lists(words, max_size=40).map(b"".join)


def marked_lines(block: bytes, hits: list[int]) -> set[int]:
    """Numbers of the lines in which a place lies."""
    return {block.count(b"\n", 0, hit) for hit in hits}


def expected_lines(block: bytes) -> set[int]:
    """The same, one line and one mark after the other."""
    lines = block.lower().split(b"\n")
    return {n for n, line in enumerate(lines) if any(mark in line for mark in MARKS)}


@pytest.mark.parametrize("name", EVERY)
@given(block=blocks)
def test_an_engine_finds_exactly_the_lines_with_a_mark(name: str, block: bytes) -> None:
    """In any bytes: other cases, broken UTF-8, no newline at the end."""
    hits = engine(name).hits(block)
    assert hits == sorted(hits)
    assert marked_lines(block, hits) == expected_lines(block)


@pytest.mark.parametrize("name", EVERY)
@given(before=blocks, block=blocks, after=blocks)
def test_an_engine_finds_the_same_in_a_part_of_a_block(
    name: str, before: bytes, block: bytes, after: bytes
) -> None:
    """From the beginning of a line to the end of one."""
    before, block = before + b"\n", block + b"\n"
    start, end = len(before), len(before) + len(block)
    found = engine(name).hits(before + block + after, start, end)
    assert found == [start + place for place in engine(name).hits(block)]


re2 = cache(Re2)


@pytest.mark.engines
@pytest.mark.skipif(not importlib.util.find_spec("re2"), reason="re2 is not there")
@given(block=blocks)
def test_two_threads_find_what_one_finds(block: bytes) -> None:
    """In a block so large that it is halved, wherever its middle falls."""
    large = (block + b"\n") * (2 * HALVED // (len(block) + 1) + 1)
    assert re2(cores=2).hits(large) == re2(cores=1).hits(large)


def test_marks_do_not_cross_lines_and_are_in_lower_case() -> None:
    """Else engines would differ in what a line is, or in what a case is."""
    assert [mark for mark in MARKS if b"\n" in mark or not mark] == []
    assert [mark for mark in MARKS if mark.isascii() and mark != mark.lower()] == []


def test_every_message_that_the_text_engine_knows_has_a_mark() -> None:
    """As its program prints it: what has no mark is never read."""
    known = [
        text
        for signature in book().signatures
        for text, _ in signature.examples
        if not signature.name.startswith("NONE")
    ]
    assert [text for text in known if not engine("standard").hits(text.encode())] == []


def test_no_request_that_was_answered_has_a_mark() -> None:
    """Whatever its size is: most lines of most logs are such, and a mark costs their reading."""
    line = '10.0.0.7 - - [03/Mar/2026:10:00:00 +0000] "GET /cart HTTP/1.1" 200 {} "-" "curl/8"'
    marked = [size for size in range(1000) if engine("standard").hits(line.format(size).encode())]
    assert marked == []


def test_an_engine_that_is_not_there_is_named() -> None:
    """The error says which there are."""
    with pytest.raises(BadRequest, match="hyperscan, re2, standard"):
        engine("grep")
