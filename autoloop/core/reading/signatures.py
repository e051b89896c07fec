"""Signatures: what programs print when something is wrong, as data in ``signatures/*.toml``.

A file is read once. Its patterns are in lower case and meet the text in lower case; what their
groups match is the culprit. `docs/how-to/add-a-signature.md` describes the keys.
"""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.index import WordIndex
from autoloop.core.reading.patterns import branches, compiled, needs
from autoloop.core.words import Words

FILES = ("database", "code", "config", "service", "login", "benign")


@dataclass(frozen=True, slots=True)
class Signature:
    """What a kind of message looks like, what it means, and what to look at next.

    *context* names another meaning where the lines around speak of something: of a database, a
    proxy, a login. *calm* is for what programs log as information although it is trouble.
    """

    name: str
    weight: float
    words: Words
    next: str
    patterns: tuple[str, ...]
    context: dict[str, str] = field(default_factory=dict)
    calm: bool = False
    settles: bool = False
    examples: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A signature found in a line."""

    signature: Signature
    line: int
    name: str
    weight: float
    culprit: str = ""
    place: int = 0
    length: int = 0


class Book:
    """All signatures, their patterns by the words they need, and the words of each context."""

    def __init__(
        self, signatures: tuple[Signature, ...], contexts: dict[str, tuple[str, ...]]
    ) -> None:
        self.signatures = signatures
        self._contexts = contexts
        self._rows = [
            (branch, each)
            for each in signatures
            for pattern in each.patterns
            for branch in branches(pattern)
        ]
        self._index = WordIndex((n, needs(pattern)) for n, (pattern, _) in enumerate(self._rows))

    def hits(self, excerpt: Excerpt) -> list[Hit]:
        """Every signature that is found, in any line."""
        found = []
        for row, lines in sorted(self._index.lines(excerpt).items()):
            pattern, signature = self._rows[row]
            search = compiled(pattern).search
            for line in sorted(lines):
                if match := search(excerpt.low_lines[line]):
                    found.append(self._hit(signature, excerpt, line, match))
        return found

    def _hit(self, signature: Signature, excerpt: Excerpt, line: int, match: Any) -> Hit:
        group = match.lastindex or 0
        return Hit(
            signature=signature,
            line=line,
            name=self.meaning(signature, excerpt, line),
            weight=signature.weight,
            culprit=excerpt.lines[line][match.start(group) : match.end(group)] if group else "",
            place=match.start(),
            length=match.end() - match.start(),
        )

    def meaning(self, signature: Signature, excerpt: Excerpt, line: int) -> str:
        """The name of the cause, by what the line, then the lines around it, speak of."""
        for reach in (0, 2) if signature.context else ():
            near = excerpt.around(line, reach)
            for context, name in signature.context.items():
                if any(word in near for word in self._contexts[context]):
                    return name
        return signature.name


@cache
def book() -> Book:
    """The signatures of this package."""
    folder = files("autoloop.core.reading") / "signatures"
    tables = {
        name: tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        for name in (*FILES, "contexts")
    }
    signatures = tuple(_signature(row) for name in FILES for row in tables[name]["signature"])
    contexts = {name: tuple(words) for name, words in tables["contexts"].items()}
    return Book(signatures, contexts)


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
        examples=tuple((text, culprit) for text, culprit in row.get("examples", ())),
    )
