"""Signatures: what programs print when something is wrong, as data in ``signatures/*.toml``.

A file is read once. Its patterns are in lower case and meet the text in lower case; what their
groups match is the culprit. `docs/how-to/add-a-signature.md` describes the keys.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading.excerpt import Excerpt, Level
from autoloop.core.reading.grammar import complains
from autoloop.core.reading.index import WordIndex
from autoloop.core.reading.names import names
from autoloop.core.reading.patterns import (
    also,
    begun,
    bounded,
    branches,
    compiled,
    is_found_anywhere,
    needs,
    rarest,
)
from autoloop.core.reading.pieces import Filed
from autoloop.core.reading.tables import made, table
from autoloop.core.words import Words

CLEAR = 0.93
"""What an exact wording weighs beside which broad ones need not be looked for in its line."""

PLAIN = 0.9
"""What an exact wording weighs that is trouble, too, where a program calls it information."""

REACH = 120
"""Characters to either side for which a calm word speaks in a long line."""

FILES = ("database", "code", "config", "service", "login", "benign")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kind of message looks like, what it means, and what to look at next.

    *context* names another meaning where the lines around speak of something: of a database, a
    proxy, a login. *calm* is for what programs log as information although it is trouble, and for
    what they call an error although it is none. *whole* is for what begins where a word begins.
    *depth* is for what lies less deep than its cause. *reach* is how far a calm word speaks, in
    characters. *capitals* is for what is only meant where the name that a group matches stands in
    capitals, as those of environment variables do. *spares* are causes that a calm word does not
    speak of: a program may go on without its database, and yet the database is gone.
    """

    name: str
    weight: float
    words: Words
    next: str
    patterns: tuple[str, ...]
    context: dict[str, str] = field(default_factory=dict)
    calm: bool = False
    settles: bool = False
    whole: bool = False
    capitals: bool = False
    depth: float | None = None
    reach: int = REACH
    spares: frozenset[str] = frozenset()
    examples: tuple[tuple[str, str], ...] = ()

    @property
    def speaks_calmly(self) -> bool:
        """Whether it may be trouble although a program calls it information."""
        return self.calm or self.weight >= PLAIN


class Hit(NamedTuple):
    """A signature found in a line. *hint* is a culprit that a broad pattern took, less sure."""

    signature: Signature
    line: int
    name: str
    weight: float
    culprit: str = ""
    hint: str = ""
    place: int = 0
    length: int = 0


Found = tuple[int, int, Any]
"""A row that is found: its number, the line, the match."""

_place = itemgetter(0, 1)

BROAD, QUIET = 1, 2
"""The turns in which signatures are tried in a line: exact wordings, families, what is ordinary."""


Turns = tuple[tuple[int, ...], ...]
"""Rows by the turns in which they are tried; plain tuples, which no garbage collector looks at."""

EXACT, CALMLY, COMPLAINING, FAMILIES, ORDINARY, SETTLING, SPOKEN = range(7)
"""Exact wordings; those of them that count where a program is calm, those that do where it also
complains; words of families; what is ordinary, and of that what settles what went wrong before; at
last the contexts of which the line speaks."""

Spoken = dict[int, tuple[int, ...]]
"""The contexts of which lines speak, by the numbers of both."""


Parts = list[tuple[str, tuple[str, ...], Sequence[Sequence[str]]]]
"""The alternatives of a pattern, each with the words of which it needs one, and sets of pieces of
others, of each of which it needs one, too."""


Apart = tuple[list[Parts], Filed | None]
"""Of each pattern its parts; and under which pieces all their words are filed."""


def apart(pattern: str, common: Callable[[str], int] | None = None) -> Parts:
    """The alternatives of *pattern*, and what each needs: the words that tell most, or that are
    rarest where it is known how *common* they are."""
    found = (
        (branch, rarest(branch, common) if common else needs(branch))
        for branch in branches(pattern)
    )
    return [(branch, words, also(branch, words)) for branch, words in found]


def _turn(signature: Signature) -> int:
    return QUIET if signature.name == BENIGN else BROAD if signature.whole else 0


class Book:
    """All signatures, their patterns by the words they need, and the words of each context."""

    def __init__(
        self,
        signatures: tuple[Signature, ...],
        contexts: dict[str, tuple[str, ...]],
        taken_apart: Apart | None = None,
    ) -> None:
        self.signatures = signatures
        self._names = names()
        self._families = {each.name: each for each in reversed(signatures)}
        self._contexts = contexts
        long = [tuple(filter(is_found_anywhere, words)) for words in contexts.values()]
        self._short = {
            name: (number, tuple(word for word in words if word not in long[number]))
            for number, (name, words) in enumerate(contexts.items())
        }
        patterns = [(pattern, each) for each in signatures for pattern in each.patterns]
        parts, filed = taken_apart or ([apart(pattern) for pattern, _ in patterns], None)
        rows = [
            (branch, each, (words, others))
            for (_, each), of_pattern in zip(patterns, parts, strict=True)
            for branch, words, others in of_pattern
        ]
        rows.sort(key=lambda row: _turn(row[1]))
        self._rows = [(branch, each) for branch, each, _ in rows]
        turns = [_turn(each) for _, each in self._rows]
        self._broad, self._quiet = (bisect_left(turns, turn) for turn in (BROAD, QUIET))
        self._searches: list[Callable[[str], Any] | None] = [None] * len(rows)
        needed = chain((needed for _, _, needed in rows), ((words, ()) for words in long))
        texts = (text.lower() for each in signatures for text, _ in each.examples)
        self._index = WordIndex(needed, filed, self._in_turns, texts, tireless=len(rows))
        self.filed = self._index.filed

    def hits(self, excerpt: Excerpt, *, thorough: bool = False) -> list[Hit]:
        """Every signature that is found in a line where it may count.

        What a program logs as information is no trouble but for what may be (`Signature.calm`) and
        for what is exactly worded and complains. That something is ordinary is asked only where
        something alarms, unless *thorough*.
        """
        named = list(self._named(excerpt))
        clear = {hit.line for hit in named if hit.weight >= CLEAR}
        found: list[Found] = []
        quiet: list[tuple[int, Turns]] = []
        spoken: Spoken = {}
        for line, turns in self._index.rows(excerpt):
            if turns[SPOKEN]:
                spoken[line] = turns[SPOKEN]
            if turns[EXACT] or turns[FAMILIES]:
                found += self._alarms(excerpt, line, turns, line in clear)
            if turns[ORDINARY]:
                quiet.append((line, turns))
        alarmed = {hit.line for hit in named} | {line for _, line, _ in found}
        anywhere = thorough or not alarmed
        for line, turns in quiet:
            asked = line in alarmed or (anywhere and excerpt.level(line) > Level.CALM)
            if rows := turns[ORDINARY if asked else SETTLING]:
                found += self._found(excerpt, line, rows)
        found.sort(key=_place)
        hits = [self._hit(self._rows[row][1], excerpt, line, m, spoken) for row, line, m in found]
        return named + hits

    def _in_turns(self, rows: tuple[int, ...]) -> Turns | None:
        """The *rows* that may be found in a line, by the turns in which they are tried."""
        if not rows:
            return None
        ends = self._broad, self._quiet, len(self._rows)
        broad, quiet, spoken = (bisect_left(rows, end) for end in ends)
        exact, last = rows[:broad], rows[quiet:spoken]
        return (
            exact,
            tuple([row for row in exact if self._rows[row][1].calm]),
            tuple([row for row in exact if self._rows[row][1].speaks_calmly]),
            rows[broad:quiet],
            last,
            tuple([row for row in last if self._rows[row][1].settles]),
            tuple([row - len(self._rows) for row in rows[spoken:]]),
        )

    def _alarms(self, excerpt: Excerpt, line: int, turns: Turns, clear: bool) -> list[Found]:
        """What is found in a line of exact wordings and, where none is clear, of families."""
        level = excerpt.level(line)
        if level is Level.CALM:
            return self._said_calmly(excerpt, line, turns)
        if level < Level.CALM:
            return self._found(excerpt, line, turns[CALMLY]) if turns[CALMLY] else []
        found = self._found(excerpt, line, turns[EXACT])
        if clear or not turns[FAMILIES]:
            return found
        for row, _, _ in found:
            if self._rows[row][1].weight >= CLEAR:
                return found
        return found + self._found(excerpt, line, turns[FAMILIES])

    def _said_calmly(self, excerpt: Excerpt, line: int, turns: Turns) -> list[Found]:
        """What is trouble in a line that its program calls information."""
        found = self._found(excerpt, line, turns[COMPLAINING])
        if not found or complains(excerpt.low_lines[line]):
            return found
        return [each for each in found if self._rows[each[0]][1].calm]

    def _found(self, excerpt: Excerpt, line: int, rows: tuple[int, ...]) -> list[Found]:
        low, searches = excerpt.low_lines[line], self._searches
        found: list[Found] = []
        for row in rows:
            search = searches[row]
            if search is None:
                branch, signature = self._rows[row]
                pattern = bounded(begun(branch) if signature.whole else branch)
                search = searches[row] = compiled(pattern).search
            if match := search(low):
                if self._rows[row][1].capitals and not _group(excerpt, line, match).isupper():
                    continue
                found.append((row, line, match))
        return found

    def _named(self, excerpt: Excerpt) -> Iterator[Hit]:
        """What the names of exceptions and codes say that are written in the text."""
        for line, low in enumerate(excerpt.low_lines):
            if not self._names.clue(low) or excerpt.level(line) <= Level.CALM:
                continue
            for named in self._names.read(excerpt.lines[line]):
                yield Hit(
                    signature=self._families[named.cause],
                    line=line,
                    name=named.cause,
                    weight=named.weight,
                    place=named.start,
                    length=named.end - named.start,
                )

    def _hit(
        self, signature: Signature, excerpt: Excerpt, line: int, match: Any, spoken: Spoken
    ) -> Hit:
        named = _group(excerpt, line, match)
        return Hit(
            signature=signature,
            line=line,
            name=self._meaning(signature, excerpt, line, spoken),
            weight=signature.weight,
            culprit="" if signature.whole else named,
            hint=named if signature.whole else "",
            place=begins(excerpt.low_lines[line], match.start()),
            length=match.end() - match.start(),
        )

    def _meaning(self, signature: Signature, excerpt: Excerpt, line: int, spoken: Spoken) -> str:
        """The name of the cause, by what the line, then the lines around it, speak of."""
        for reach in (0, 2) if signature.context else ():
            numbers = range(line - reach, line + reach + 1)
            here = [context for number in numbers for context in spoken.get(number, ())]
            near = excerpt.around(line, reach)
            for context, name in signature.context.items():
                number, short = self._short[context]
                if number in here or _has_any(near, short):
                    return name
        return signature.name

    def sentence(self, name: str) -> Words:
        """What cause *name* means, in a sentence for people."""
        return self._families[name].words

    def speaks_of(self, context: str, text: str) -> bool:
        """Whether a text, in lower case, holds a word of *context*."""
        return _has_any(text, self._contexts[context])


def _has_any(text: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 - any() takes twice as long
        if word in text:
            return True
    return False


def _group(excerpt: Excerpt, line: int, match: Any) -> str:
    """What the group of *match* that took part stands for in the text; empty if it has none."""
    group = match.lastindex or 0
    return excerpt.lines[line][match.start(group) : match.end(group)] if group else ""


def begins(low: str, place: int) -> int:
    """Where the word begins in which *place* lies."""
    while place and (low[place - 1].isalnum() or low[place - 1] == "_"):
        place -= 1
    return place


@cache
def book() -> Book:
    """The signatures of this package."""
    signatures = tuple(read({name: table(name) for name in FILES}))
    return Book(signatures, contexts_of(table("contexts")), taken_apart(signatures))


def contexts_of(table: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """The words of each context."""
    return {name: tuple(dict.fromkeys(words)) for name, words in table.items()}


def read(tables: dict[str, dict[str, Any]]) -> Iterator[Signature]:
    """The signatures of the tables of all `FILES`."""
    for name in FILES:
        yield from map(_signature, tables[name]["signature"])


def taken_apart(signatures: tuple[Signature, ...]) -> Apart | None:
    """What was taken apart beforehand, if it is of these very signatures."""
    kept = made("patterns", *FILES, "contexts")
    filed = made("filed", *FILES, "contexts")
    if kept is None or filed is None:
        return None
    patterns = (pattern for each in signatures for pattern in each.patterns)
    rows = zip(patterns, kept["patterns"], strict=True)
    return [_parts(pattern, of_pattern) for pattern, of_pattern in rows], filed["filed"]


def _parts(pattern: str, rows: list[list[Any]]) -> Parts:
    found: Parts = []
    at = 0
    for length, words, others in rows:
        found.append((pattern[at : at + length], tuple(words), others))
        at += length + 1
    return found


def _signature(row: dict[str, Any]) -> Signature:
    return Signature(
        name=row["name"],
        weight=row["weight"],
        words=Words(en=row["en"], zh=row["zh"]),
        next=row.get("next", ""),
        patterns=tuple(row["patterns"]),
        context=row.get("context", {}),
        calm=row.get("calm", False),
        settles=row.get("settles", False),
        whole=row.get("whole", False),
        capitals=row.get("capitals", False),
        depth=row.get("depth"),
        reach=row.get("reach", REACH),
        spares=frozenset(row.get("spares", ())),
        examples=tuple((text, culprit) for text, culprit in row.get("examples", ())),
    )
