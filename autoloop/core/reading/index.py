"""The index: which of some thousand words occur in a line, without looking for each of them.

Every word is filed under a piece of itself that is rare in texts, and that few others have: two
Chinese characters, four letters or digits, the end of a run, or less where it has no more. Only
words whose piece occurs in a line are looked for. The same runs of letters come again and again in
logs, so what they hold is remembered; and the same lines but for their digits, so only these are
looked at anew.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, partial
from itertools import chain
from threading import Lock
from typing import Any

from autoloop.core.reading.excerpt import Excerpt, alike
from autoloop.core.reading.patterns import LONGEST, RUN
from autoloop.core.reading.pieces import DIGIT, Filed, by_rarest_pair, filed_words, pieces_of

REMEMBERED = 20_000
"""Runs, and lines by what is in them, that are remembered. What is remembered of a line is of a
kind that the garbage collector passes over."""

REMEMBERED_LINE = 400
"""Bytes of a line that is remembered but for its digits."""

OCCURRENCES = 60
"""Lines with the same word that are looked at."""


Numbered = tuple[bytes, str]
"""A word with digits in it: alike, and as it is."""

Holds = tuple[frozenset[str], tuple[str, ...], tuple[Numbered, ...], int, frozenset[int]]
"""The words that a run holds, those of which it may hold a part, without digits and with them, the
pieces that it holds, each a bit, and the rows of the words."""

NOTHING: Holds = frozenset(), (), (), 0, frozenset()
"""What most runs hold."""

ANY = -1
"""All pieces: of a run of which the end is not known any may be in it."""

Needed = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The words of which a row needs one, and sets of pieces of runs, of each of which it needs one."""


_ONLY_DIGITS = bytes(byte if chr(byte) in "0123456789\n" else ord(" ") for byte in range(256))
"""What makes blanks of all but digits, in lines."""


class Rows:
    """Rows by the words of which each needs one, and what it needs of other pieces."""

    def __init__(self, needed: Iterable[Needed], tireless: int | None = None) -> None:
        self.of: dict[str, list[int]] = defaultdict(list)
        self._also: list[Sequence[Sequence[str]]] = []
        for row, (words, also) in enumerate(needed):
            for word in words:
                self.of[word].append(row)
            self._also.append(also)
        every = chain.from_iterable(chain.from_iterable(self._also))
        self.pieces = {piece: place for place, piece in enumerate(dict.fromkeys(every))}
        self._tireless = len(self._also) if tireless is None else tireless
        self._bits: list[tuple[int, ...] | None] = [None if also else () for also in self._also]

    def found(self, near: Iterable[int], pieces: int) -> list[int]:
        """Those of the rows *near* that have all that they need of *pieces*."""
        found, bits = [], self._bits
        for row in near:
            asked = bits[row]
            if asked is None:
                asked = bits[row] = tuple([self.bits(each) for each in self._also[row]])
            for each in asked:
                if not pieces & each:
                    break
            else:
                found.append(row)
        return sorted(found)

    def tireless(self, words: Iterable[str]) -> list[int]:
        """The rows of *words* that are found in however many lines these are."""
        return [row for word in words for row in self.of[word] if row >= self._tireless]

    def bits(self, pieces: Iterable[str]) -> int:
        """Each of *pieces* as a bit."""
        bits = 0
        for piece in pieces:
            bits |= 1 << self.pieces[piece]
        return bits


class Runs(dict[str, int]):
    """What each run holds of the words that are *filed* under their pieces, and of the pieces that
    *rows* need by the rarest pair in each: a number for each thing that runs hold, 0 for nothing.
    """

    def __init__(self, rows: Rows, filed: Filed, pieces: Filed) -> None:
        super().__init__()
        self._rows = rows
        self._filed = filed
        self._pieces = pieces
        self.holds = [NOTHING]
        self._numbers = {NOTHING: 0}
        self._numbering = Lock()

    def words(self, numbers: tuple[int, ...]) -> tuple[str, ...]:
        """The words that the runs with these *numbers* hold."""
        return tuple(frozenset[str]().union(*[self.holds[number][0] for number in numbers]))

    def __missing__(self, run: str) -> int:
        pieces, ends = pieces_of(run), f" {run} "
        words = [word for piece in pieces & self._filed.keys() for word in self._filed[piece]]
        also = {each for pair in pieces & self._pieces.keys() for each in self._pieces[pair]}
        held = ANY if len(run) >= LONGEST else self._rows.bits([e for e in also if e in ends])
        if not words and not held:
            self[run] = 0
            return 0
        whole = frozenset([word for word in words if word in run])
        parts = sorted({word for word in words if word not in run and _goes_on(word, run)})
        rows = frozenset(chain.from_iterable(map(self._rows.of.__getitem__, whole)))
        holds = whole, *_by_digits(parts), held, rows
        with self._numbering:
            number = self._numbers.setdefault(holds, len(self.holds))
            if number == len(self.holds):
                self.holds.append(holds)
        self[run] = number
        return number


class Digits(dict[bytes, int]):
    """The number of what each of the runs that are digits holds."""

    def __init__(self, runs: Runs) -> None:
        super().__init__()
        self._runs = runs

    def __missing__(self, digits: bytes) -> int:
        number = self[digits] = self._runs[digits.decode()] if len(digits) > 1 else 0
        return number


Template = tuple[tuple[int, ...], tuple[str, ...], tuple[str, ...]]
"""What lines hold that are alike: the numbers of their runs but for those of digits, the words that
lie in several runs, and what words with digits may."""

Arranged = Callable[[tuple[int, ...]], Any]
"""What is made of the rows that may be found in a line."""


class Memory(dict[bytes, Template]):
    """What was found out of lines: by what they are alike, and by what they hold beyond that. What
    is made of their rows, as *arranged* tells, is remembered, too.

    It is never emptied, but thrown away as a whole: another thread may be reading with it.
    """

    def __init__(self, rows: Rows, runs: Runs, apart: Sequence[str], arranged: Arranged) -> None:
        super().__init__()
        self.runs = runs
        self._digits = Digits(runs)
        self._apart = _by_digits(apart)
        self._words = cache(runs.words)
        self._near = cache(partial(_near, rows, runs, cache(arranged)))

    def is_much(self) -> bool:
        """Whether more is remembered than should be."""
        return max(len(self), len(self.runs), self._near.cache_info().currsize) > REMEMBERED

    def rows(self, low: str, line: bytes, digits: bytes, seen: Counter[str] | None = None) -> Any:
        """The rows that may be found in a line, of which is given what it is alike, and its
        *digits*, for the words that it holds; with those *seen*, none for words that were in
        enough lines."""
        runs, words, perhaps = self[line]
        numbers = tuple(filter(None, map(self._digits.__getitem__, digits.split())))
        if perhaps:
            words += tuple([word for word in perhaps if word in low])
        if numbers:
            holds = self.runs.holds
            words += tuple([word for n in numbers for _, word in holds[n][2] if word in low])
            runs += numbers
        if seen is None:
            return self._near(runs, words, ())
        return self._near(runs, words, _tired(seen, self._words(runs) + words))

    def __missing__(self, line: bytes) -> Template:
        low = line.decode()
        found = [run for run in RUN.findall(low) if run[0] not in "0123456789"]
        runs = tuple(filter(None, map(self.runs.__getitem__, found)))
        holds = [self._apart, *[self.runs.holds[number][1:3] for number in {*runs}]]
        words = tuple([word for plain, _ in holds for word in plain if word in low])
        perhaps = tuple([word for _, numbered in holds for like, word in numbered if like in line])
        template = runs, words, perhaps
        if len(line) <= REMEMBERED_LINE:
            self[line] = template
        return template


def _near(
    rows: Rows,
    runs: Runs,
    arranged: Arranged,
    numbers: tuple[int, ...],
    more: tuple[str, ...],
    tired: tuple[str, ...],
) -> Any:
    """The *rows* that need a word of the *runs* with these *numbers*, or one *more*, but none
    *tired*."""
    holds = [runs.holds[number] for number in {*numbers}]
    pieces = 0
    for _, _, _, held, _ in holds:
        pieces |= held
    if tired:
        words = {*runs.words(numbers), *more}.difference(tired)
        near = {*chain.from_iterable([rows.of[word] for word in words]), *rows.tireless(tired)}
    else:
        near = set[int]().union(*[each[4] for each in holds], *[rows.of[word] for word in more])
    return arranged(tuple(rows.found(near, pieces)))


class WordIndex:
    """Files rows under the words of which each needs one; of other pieces it may need some, too.

    Under which pieces the words are *filed* may have been found beforehand; else it is found out
    how rare pieces are in *texts*. What is made of the rows of a line, as *arranged* tells, is
    remembered with them. Rows from *tireless* on are found in however many lines their words are.
    """

    def __init__(
        self,
        needed: Iterable[Needed],
        filed: Filed | None = None,
        arranged: Arranged = tuple,
        texts: Iterable[str] = (),
        tireless: int | None = None,
    ) -> None:
        self._rows = Rows(needed, tireless)
        self.filed = filed or filed_words(self._rows.of, texts)
        self._pieces = by_rarest_pair(self._rows.pieces)
        self._arranged = arranged
        self._memory = self._fresh()

    def rows(self, excerpt: Excerpt) -> Iterator[tuple[int, Any]]:
        """The number of each line that has a word, and the rows that may be found in it."""
        memory = self._remembered()
        seen = Counter[str]() if len(excerpt.lines) > OCCURRENCES else None
        for number, (low, line, digits) in enumerate(_lines(excerpt.low)):
            if rows := memory.rows(low, line, digits, seen):
                yield number, rows

    def rows_in(self, low: str) -> Any:
        """The rows that may be found in one line."""
        return self._remembered().rows(*next(_lines(low)))

    def _remembered(self) -> Memory:
        """What is remembered; once it is much, nothing."""
        if self._memory.is_much():
            self._memory = self._fresh()
        return self._memory

    def _fresh(self) -> Memory:
        runs = Runs(self._rows, self.filed, self._pieces)
        return Memory(self._rows, runs, self.filed.get("", []), self._arranged)


def _lines(low: str) -> Iterator[tuple[str, bytes, bytes]]:
    """The lines of a text, each with what it is alike, and with its digits."""
    digits = low.encode("utf-8", "replace").translate(_ONLY_DIGITS)
    return zip(low.split("\n"), alike(low).split(b"\n"), digits.split(b"\n"), strict=True)


def _by_digits(words: Iterable[str]) -> tuple[tuple[str, ...], tuple[Numbered, ...]]:
    """*words* without digits, and those with them."""
    plain, numbered = [], []
    for word in words:
        if DIGIT.search(word):
            numbered.append((alike(word), word))
        else:
            plain.append(word)
    return tuple(plain), tuple(numbered)


def _tired(seen: Counter[str], words: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *words* that have been *seen* in enough lines; the others are counted."""
    tired = tuple([word for word in words if seen[word] >= OCCURRENCES])
    seen.update(set(words).difference(tired))
    return tired


def _goes_on(word: str, run: str) -> bool:
    """Whether *run* may be where one of the runs of *word* stands in a line."""
    if len(run) >= LONGEST:
        return True
    for part in RUN.finditer(word):
        begins, ends = part.start() == 0, part.end() == len(word)
        if begins and ends:
            continue
        if (
            run == part[0]
            or (begins and run.endswith(part[0]))
            or (ends and run.startswith(part[0]))
        ):
            return True
    return False
