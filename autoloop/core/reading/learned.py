"""What labelled texts teach: a linear classifier of words, asked where signatures are not sure.

It is trained by `tests/learning/train.py` on texts that were written for this purpose: one-against-
rest linear support vector machines over words and pairs of words, each weighed by how rare it is
(`Joachims 1998 <https://doi.org/10.1007/BFb0026683>`_). ``make learned`` makes its two files anew,
``learned.json`` (names and words) and ``learned.bin`` (a row for each word).
"""

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise
from math import exp, log, sqrt
from struct import Struct
from typing import Any

from autoloop.core.reading.excerpt import Excerpt, meaning
from autoloop.core.reading.grammar import grammar
from autoloop.core.reading.names import names

READ = 2_000
"""Characters of a text that are read."""

LINES = 1
"""Lines of which grammar and names are read."""

LANE = 4
"""Bytes of one lane of a row; see `Learned`."""

MIDDLE = 128
"""The byte of a weight that is zero."""

RARITY = 25.0
"""A byte of rarity by what it means."""

_CAMEL = re.compile(r"([a-z])([A-Z])")
_WORD = re.compile(r"[a-z][a-z]*|\d\d*|[\u4e00-\u9fff]|\n")
_NUMBER = re.compile(r"\d+")
_JOINED, _JOINING = re.compile(r"[-:/.,]\d"), re.compile(r"\d[-:/.,]$")
_CODES = frozenset(
    map(str, (13, 24, 28, 32, 98, 1040, 1045, 1049, 1054, 1146, 1205, 1213, 2002, 2003, 10061))
)
"""Numbers of other than three digits that mean the same wherever they stand."""


def words(text: str) -> frozenset[str]:
    """What is counted of *text*: words, pairs of words, and runs of three Chinese characters.

    A number is a word by its digits where it may be a code, else by how many digits it has.
    """
    text = text[:READ]
    found = _WORD.findall(_NUMBER.sub(_number, _CAMEL.sub(r"\1 \2", text).lower()))
    counted = {f"{a} {b}" for a, b in pairwise(found) if a != "\n" != b}
    if not text.isascii():
        counted |= {
            f"{a} {b} {c}"
            for a, b, c in zip(found, found[1:], found[2:], strict=False)
            if a > "\u4e00" and b > "\u4e00" and c > "\u4e00"
        }
    counted.update(found)
    counted.discard("\n")
    return frozenset(counted)


def marks(excerpt: Excerpt) -> frozenset[str]:
    """What is counted beside words: levels, what the grammar reads in lines, and what names mean.

    Only the lines that their programs find the most serious are read so.
    """
    levels = [excerpt.level(number) for number in range(len(excerpt.lines))]
    found = {f"level:{level.name}" for level in levels}
    serious = sorted(range(len(levels)), key=lambda number: -levels[number])
    for number in serious[:LINES]:
        if told := grammar().read(excerpt.low_lines[number]):
            found.add(f"meaning:{told}")
        if names().clue(excerpt.low_lines[number]):
            found |= {f"name:{each.cause}" for each in names().read(excerpt.lines[number])}
    return frozenset(found)


def counted(excerpt: Excerpt) -> frozenset[str]:
    """All that is counted of a text."""
    return words(meaning(excerpt.text)) | marks(excerpt)


def _number(found: re.Match[str]) -> str:
    """A number by its digits where it may be a code: not within a time, a date, an address."""
    number, text = found[0], found.string
    within = _JOINED.match(text, found.end()) or _JOINING.search(text[: found.start()][-2:])
    if not within and (len(number) == 3 or number in _CODES):
        return number
    return "0000"[: len(number)]


class Learned:
    """Names of causes by the words of a text.

    The weights of a word for all names are one row of bytes. Rows are spread to lanes of four bytes
    and added as whole numbers, all names at once; `READ` characters hold too few words for a lane
    to run over.
    """

    def __init__(self, table: dict[str, Any], weights: bytes) -> None:
        self.of: str = table["of"]
        self.names: tuple[str, ...] = tuple(table["names"])
        self._numbers: dict[str, int] = {word: n for n, word in enumerate(table["words"])}
        self._bias: list[float] = table["bias"]
        self._scale: float = table["scale"]
        count = len(self._numbers)
        squares = [(byte / RARITY) ** 2 for byte in range(256)]
        self._squares = [squares[byte] for byte in weights[:count]]
        self._rows = memoryview(weights)[count:]
        self._lanes = Struct(f"<{len(self.names)}I")
        self._row = cache(self._spread)

    def _spread(self, number: int) -> int:
        wide = len(self.names)
        lanes = bytearray(LANE * wide)
        lanes[::LANE] = self._rows[number * wide : (number + 1) * wide]
        return int.from_bytes(lanes, "little")

    def known(self, found: frozenset[str]) -> list[int]:
        """The numbers of those of the words *found* that it has learnt."""
        return [self._numbers[word] for word in found & self._numbers.keys()]

    def weigh(self, known: Sequence[int]) -> list[float]:
        """How much the words with these numbers speak for each name, together."""
        total = sum(map(self._row, known)).to_bytes(self._lanes.size, "little")
        zero = MIDDLE * len(known)
        length = sqrt(sum(self._squares[number] for number in known)) or 1.0
        unit = self._scale / length
        lanes = zip(self._lanes.unpack(total), self._bias, strict=True)
        return [(lane - zero) * unit + bias for lane, bias in lanes]

    def likely(self, excerpt: Excerpt) -> dict[str, float]:
        """The logarithm of the probability of each name."""
        odds = self.weigh(self.known(counted(excerpt)))
        top = max(odds)
        rest = top + log(sum(exp(each - top) for each in odds))
        return {name: each - rest for name, each in zip(self.names, odds, strict=True)}

    def telling(self, name: str, lines: Sequence[str]) -> int:
        """The number of the line whose words speak most for *name*."""
        column = self.names.index(name)
        wide = len(self.names)

        def speaks(line: str) -> int:
            return sum(
                self._rows[number * wide + column] - MIDDLE for number in self.known(words(line))
            )

        return max(range(len(lines)), key=lambda number: speaks(lines[number]), default=0)


@cache
def learned() -> Learned:
    """The classifier of this package."""
    folder = files("autoloop.core.reading") / "signatures"
    table = json.loads((folder / "learned.json").read_text(encoding="utf-8"))
    return Learned(table, (folder / "learned.bin").read_bytes())
