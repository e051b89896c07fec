"""The index: which of some thousand words occur in a line, without looking for each of them.

Every word is filed under a piece of itself that few others have: two Chinese characters, four
letters or digits, or less where it has no more. Only words whose piece occurs in a line are looked
for. The same runs of letters come again and again in logs, so what they hold is remembered.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from operator import add
from typing import Any, NamedTuple

from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.patterns import LONGEST, RUN

REMEMBERED = 20_000
SHAPES = 8_000
"""Shapes of lines that are remembered, twice: those of late, and those before."""

OCCURRENCES = 60
"""Lines with the same word that are looked at."""

_KINDS = (
    (re.compile(r"[\u4e00-\u9fff]{2,40}"), 2),
    (re.compile(r"[a-z]{4,40}|[0-9]{4,40}"), 4),
    (re.compile(r"[a-z]{3}"), 3),
    (RUN, 2),
)
"""Runs of characters, and the size of the pieces of them under which words are filed.

What has no more than three letters must stand alone: "url" is not in "curl".
"""

Holds = tuple[frozenset[str], frozenset[str], frozenset[str]]
"""The words that a run holds, those of which it may hold a part, and the pieces that it holds."""

NOTHING: Holds = frozenset(), frozenset(), frozenset()
"""What most runs hold."""

ANY = "*"
"""The piece that is held by a run of which the end is not known: any other may be in it."""

Filed = dict[str, list[str]]
"""Words by the piece under which they are filed; under an empty one those that have none."""

Needed = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The words of which a row needs one, and sets of pieces of runs, of each of which it needs one."""


class Shape(NamedTuple):
    """What the runs of a line hold together, and the rows for the words that are there as well."""

    words: frozenset[str]
    parts: tuple[str, ...]
    pieces: frozenset[str]
    rows: dict[tuple[Any, ...], Any]


class WordIndex:
    """Files rows under the words of which each needs one; of other pieces it may need some, too.

    Under which pieces the words are *filed* may have been found beforehand. What is made of the
    rows of a line, as *arranged* tells, is remembered with them.
    """

    def __init__(
        self,
        needed: Iterable[Needed],
        filed: Filed | None = None,
        arranged: Callable[[list[int]], Any] = list,
    ) -> None:
        self._arranged = arranged
        self._rows: dict[str, list[int]] = defaultdict(list)
        self._also: list[Sequence[Sequence[str]]] = []
        for row, (words, also) in enumerate(needed):
            for word in words:
                self._rows[word].append(row)
            self._also.append(also)
        self.filed = filed or _filed(self._rows)
        self._apart = self.filed.get("", [])
        pieces = chain.from_iterable(chain.from_iterable(self._also))
        self._known = Runs(self.filed, set(pieces))
        self._shapes: dict[tuple[int, ...], Shape] = {}
        self._before: dict[tuple[int, ...], Shape] = {}

    def rows(self, excerpt: Excerpt) -> Iterator[tuple[int, Any]]:
        """The number of each line that has a word, and the rows that may be found in it."""
        self._forget()
        apart = tuple(word for word in self._apart if word in excerpt.low)
        seen = Counter[str]() if len(excerpt.lines) > OCCURRENCES else None
        for number, low in enumerate(excerpt.low_lines):
            shape = self._shape(low)
            more = tuple([word for word in shape.parts + apart if word in low])
            tired = _tired(seen, shape.words.union(more)) if seen is not None else ()
            if rows := self._rows_of(shape, more, tired):
                yield number, rows

    def rows_in(self, low: str) -> Any:
        """The rows that may be found in one line."""
        self._forget()
        shape = self._shape(low)
        more = (word for word in shape.parts + tuple(self._apart) if word in low)
        return self._rows_of(shape, tuple(more))

    def _forget(self) -> None:
        """What was remembered, once it is much: first what has not been seen of late."""
        if len(self._shapes) > SHAPES:
            self._shapes, self._before = {}, self._shapes
        if len(self._known) > REMEMBERED:
            self._known.forget()
            self._shapes, self._before = {}, {}

    def _shape(self, low: str) -> Shape:
        """What the runs of a line hold; lines of one program hold the same but for numbers, which
        hold nothing."""
        runs = tuple(filter(None, map(self._known.__getitem__, RUN.findall(low))))
        shape = self._shapes.get(runs)
        if shape is None:
            shape = self._before.get(runs) or Shape(*self._known.together(runs), {})
            self._shapes[runs] = shape
        return shape

    def _rows_of(self, shape: Shape, more: tuple[str, ...], tired: tuple[str, ...] = ()) -> Any:
        """The rows that may be found in a line of this *shape* with *more* words; none are asked
        for by words that are *tired*."""
        key = (more, tired) if tired else more
        if key not in shape.rows:
            words = shape.words.union(more).difference(tired)
            if len(shape.rows) > OCCURRENCES:
                shape.rows.clear()
            shape.rows[key] = self._arranged(self._near(words, shape.pieces))
        return shape.rows[key]

    def _near(self, words: Iterable[str], pieces: frozenset[str]) -> list[int]:
        """The rows that need one of *words*, and have all that they need of *pieces*."""
        near = set(chain.from_iterable([self._rows[word] for word in words if word in self._rows]))
        if ANY in pieces:
            return sorted(near)
        found = []
        for row in near:
            for each in self._also[row]:
                if pieces.isdisjoint(each):
                    break
            else:
                found.append(row)
        return sorted(found)


def _tired(seen: Counter[str], words: frozenset[str]) -> tuple[str, ...]:
    """Those of *words* that have been *seen* in enough lines; the others are counted."""
    tired = tuple(sorted(word for word in words if seen[word] >= OCCURRENCES))
    seen.update(words.difference(tired))
    return tired


class Runs(dict[str, int]):
    """What each run holds of the words that are *filed* under their pieces, and of other *pieces*:
    a number for each thing that runs hold, 0 for nothing."""

    def __init__(self, filed: Filed, pieces: Collection[str]) -> None:
        super().__init__()
        self._filed = filed
        self._pieces = _by_rarest_pair(pieces)
        self._holds = [NOTHING]
        self._numbers = {NOTHING: 0}

    def forget(self) -> None:
        """All runs, and all numbers."""
        self.clear()
        self._holds = [NOTHING]
        self._numbers = {NOTHING: 0}

    def together(
        self, numbers: tuple[int, ...]
    ) -> tuple[frozenset[str], tuple[str, ...], frozenset[str]]:
        """What the runs with these *numbers* hold together."""
        held = [self._holds[number] for number in numbers]
        whole, parts, pieces = (
            frozenset[str]().union(*of) for of in zip(NOTHING, *held, strict=False)
        )
        return whole, tuple(parts - whole), pieces

    def __missing__(self, run: str) -> int:
        pairs = {run[at : at + 2] for at in range(len(run) - 1)}
        pieces = {run, *pairs, *(run[at : at + 4] for at in range(len(run) - 3))}
        words = [word for piece in pieces & self._filed.keys() for word in self._filed[piece]]
        whole = frozenset(word for word in words if word in run)
        parts = frozenset(word for word in words if word not in run and _goes_on(word, run))
        ends = f" {run} "
        also = {each for pair in pairs & self._pieces.keys() for each in self._pieces[pair]}
        held = [each for each in also if each in ends] if len(run) < LONGEST else [ANY]
        holds = whole, parts, frozenset(held)
        number = self._numbers.setdefault(holds, len(self._holds))
        if number == len(self._holds):
            self._holds.append(holds)
        self[run] = number
        return number


def _goes_on(word: str, run: str) -> bool:
    """Whether *run* may be where one of the runs of *word* stands in a line."""
    if len(run) == LONGEST:
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


def _filed(words: Iterable[str]) -> Filed:
    left = sorted(set(words))
    filed: Filed = {}
    for run, size in _KINDS:
        filed |= _by_rarest([word for word in left if run.search(word)], run, size)
        left = [word for word in left if not run.search(word)]
    return filed | {"": left}


def _by_rarest(words: Iterable[str], run: re.Pattern[str], size: int) -> Filed:
    """Words by the rarest piece of *size* characters in their runs."""
    pieces = {
        word: [
            part[at : at + size] for part in run.findall(word) for at in range(len(part) - size + 1)
        ]
        for word in words
    }
    common = Counter(piece for of_word in pieces.values() for piece in of_word)
    filed: dict[str, list[str]] = defaultdict(list)
    for word, of_word in pieces.items():
        filed[min([(common[piece], piece) for piece in of_word])[1]].append(word)
    return dict(filed)


def _by_rarest_pair(pieces: Collection[str]) -> Filed:
    """Pieces of runs by the rarest two characters in each."""
    pairs = {piece: list(map(add, run, run[1:])) for piece in pieces if (run := piece.strip())}
    common = Counter(chain.from_iterable(pairs.values()))
    filed: dict[str, list[str]] = defaultdict(list)
    for piece, of_piece in pairs.items():
        filed[min(of_piece, key=common.__getitem__)].append(piece)
    return dict(filed)
