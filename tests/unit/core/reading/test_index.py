"""The index: it finds what looking for each word would find, and asks little of each line."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloop.core.reading import index
from autoloop.core.reading.excerpt import Excerpt, lower
from autoloop.core.reading.index import OCCURRENCES, WordIndex
from autoloop.core.reading.patterns import LONGEST, RUN, also, compiled, needs
from autoloop.core.reading.signatures import book, taken_apart

WORDS = [
    "connection refused", "refused", "timed out", "time", "errors in crontab", "42p07", "x509: ",
    " 50", "(13: ", "no", "连接失败", "失败", "не удалось", "\\x16\\x03", "er_bad_db_error", "1040",
]  # fmt: skip
PIECES = [*WORDS, *(word[1:] for word in WORDS), *(word[:-1] for word in WORDS), " ", "_", "a", "1"]
LINES = st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join), max_size=8)


def rows(index: WordIndex, text: str) -> dict[int, list[int]]:
    """The rows of each line."""
    return {line: list(found) for line, found in index.rows(Excerpt(text))}


@given(LINES)
def test_it_finds_what_looking_for_each_word_finds(lines: list[str]) -> None:
    """Within longer runs, at their ends, across them, in any script."""
    text = "\n".join(["x", *lines])
    found = rows(WordIndex(((word,), ()) for word in WORDS), text)
    for number, line in enumerate(Excerpt(text).low_lines):
        assert found.get(number, []) == [n for n, word in enumerate(WORDS) if word in line]


@given(LINES, st.lists(st.text("0123456789", min_size=10, max_size=10), min_size=1, max_size=4))
def test_lines_that_are_alike_but_for_their_digits_hold_each_their_own(
    lines: list[str], others: list[str]
) -> None:
    """Though only the first of them is looked at as a whole."""
    digits = ["0123456789", *others]
    every = [line.translate(str.maketrans(digits[0], its)) for line in lines for its in digits]
    found = rows(WordIndex(((word,), ()) for word in WORDS), "\n".join(["x", *every]))
    for number, line in enumerate(Excerpt("\n".join(["x", *every])).low_lines):
        assert found.get(number, []) == [n for n, word in enumerate(WORDS) if word in line]


def test_three_letters_stand_alone() -> None:
    """Whatever the other lines hold."""
    assert rows(WordIndex([(("url",), ())]), "curl\nno url\nlibcurl4") == {1: [0]}


def test_a_row_may_need_two_words_of_a_line() -> None:
    """One of each kind."""
    index = WordIndex([(("refused", "denied"), [("login", "password")])])
    assert rows(index, "login denied\ndenied\nrefused by password\nlogin") == {0: [0], 2: [0]}


@given(LINES)
def test_it_finds_what_looking_for_each_piece_finds(lines: list[str]) -> None:
    """Where a run begins and ends with it, where it is a part of one, in any script."""
    pieces = ["refused", "no ", " 50", " time ", "连接", "失败 ", "удал", "104"]
    text = "\n".join(["x", *(f"row {line}" for line in lines)])
    found = rows(WordIndex((("row",), [(piece,)]) for piece in pieces), text)
    for number, line in enumerate(Excerpt(text).low_lines[1:], 1):
        held = " ".join(f" {run[0]} " for run in RUN.finditer(line))
        assert found.get(number, []) == [n for n, piece in enumerate(pieces) if piece in held]


def test_any_piece_may_be_in_what_is_too_long_to_see_its_end() -> None:
    """A run is cut, and a piece may lie across the cut."""
    index = WordIndex([(("denied",), [("password",)])])
    assert rows(index, "denied " + "x" * 36 + "password") == {0: [0]}


def test_threads_may_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """While what was remembered is thrown away time and again."""
    monkeypatch.setattr(index, "REMEMBERED", 30)
    filed = WordIndex(((word,), ()) for word in WORDS)
    texts = [
        "\n".join(f"{word}s{n} q{n * 7}w {word} {n:x}zz" for word in WORDS) for n in range(200)
    ]
    alone = [rows(WordIndex(((word,), ()) for word in WORDS), text) for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda text: rows(filed, text), texts)) == alone


def test_the_same_word_in_many_lines_is_looked_at_in_the_first() -> None:
    """A storm of one message costs no more than its beginning."""
    index = WordIndex([(("refused",), ()), (("denied",), ())])
    found = rows(index, "refused\n" * 2 * OCCURRENCES + "denied")
    assert (len(found), found[2 * OCCURRENCES]) == (OCCURRENCES + 1, [1])


def test_what_is_tireless_is_found_in_every_line() -> None:
    """Though the same word is looked at for others in the first lines only."""
    index = WordIndex([(("refused",), ()), (("refused", "denied"), ())], tireless=1)
    found = rows(index, "refused\n" * 2 * OCCURRENCES + "denied")
    assert [found[0], found[2 * OCCURRENCES - 1]] == [[0, 1], [1]]


@pytest.mark.parametrize(
    ("pattern", "words", "pieces"),
    [
        ("http/2 50[234]", {"http/2 502", "http/2 503", "http/2 504"}, ()),
        (
            r"(?:disk|volume) \d{1,9} (?:is full|overflows)",
            {"disk", "volume"},
            ((" full", "overflows"),),
        ),
        ("deadlock detected", {"deadlock detected"}, ()),
        (r"\burl: (?:refused|no)", {"url: "}, (("refused", "no"),)),
        (
            r"pool \d (?:is|was) (?:not|never) free",
            {"pool "},
            ((" free",), ("is", "was"), ("not", "never")),
        ),
        (r"plugin \x22?io\.shop", {"plugin io.shop", 'plugin "io.shop'}, ()),
    ],
)
def test_what_a_pattern_needs(
    pattern: str, words: set[str], pieces: tuple[tuple[str, ...], ...]
) -> None:
    """The best words, and what else must be in runs of the line; nothing that is in every line."""
    assert (set(needs(pattern)), set(also(pattern, needs(pattern)))) == (words, set(pieces))


BOOK = book()
KEPT = taken_apart(BOOK.signatures)
LOWS = [
    lows
    for each in BOOK.signatures
    for lows in [[Excerpt(text).low for text, _ in each.examples]]
    for _ in each.patterns
]
APART = [
    (lows, branch)
    for lows, parts in zip(LOWS, KEPT[0] if KEPT else [], strict=True)
    for branch in parts
]
"""Each alternative of the patterns of signatures, and what it needs as that is kept; with the
examples of its signature, as they are searched."""


def test_no_pattern_matches_an_example_without_what_it_needs() -> None:
    """Else the answers would depend on the index."""
    for lows, (branch, words, others) in APART:
        for low in filter(compiled(branch).search, lows):
            assert any(word in low for word in words), (branch, low)
            runs = " ".join(f" {run[0]} " for run in RUN.finditer(low))
            for pieces in others:
                assert any(piece in runs for piece in pieces), (branch, low)


@settings(max_examples=400)
@given(st.data())
def test_no_pattern_matches_anything_without_what_it_needs(data: st.DataObject) -> None:
    """Any text that one of the alternatives matches, with anything around it."""
    _, (branch, words, others) = data.draw(st.sampled_from(APART))
    low = lower(data.draw(st.from_regex(re.compile(branch, re.ASCII))))
    for line in filter(compiled(branch).search, low.split("\n")):
        for some, also_some in ((words, others), (needs(branch), also(branch, needs(branch)))):
            assert any(word in line for word in some)
            runs = RUN.findall(line)
            if max(map(len, runs), default=0) < LONGEST:
                held = " ".join(f" {run} " for run in runs)
                assert all(any(piece in held for piece in pieces) for pieces in also_some)
