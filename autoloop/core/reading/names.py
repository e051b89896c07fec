"""Names: exceptions and codes of errors, read by the words that they are made of.

Nobody can list every exception of every program, but their names follow one grammar:
``PaymentGatewayTimeoutException`` is a timeout, whoever wrote it. `names.toml` tells what words
mean; a name that it holds as a whole goes first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

from autoloop.core.reading.tables import table

EXACT = 0.83
UNKNOWN = "CODE.runtime_error"
"""What an exception is of which no word is known."""

SURE, VAGUE = 0.8, 0.55
"""What a name weighs of which two words and more are known, or only one."""

_NAME = re.compile(
    r"[A-Za-z][A-Za-z0-9]{1,60}(?:Error|Exception|Failure|Fault|Exceeded|NotFound|Denied|Expired"
    r"|Refused|Invalid|Conflict|Detected|Canceled|Violation|Disallowed\w{1,9}|Credentials)\b"
    r"|\b(?:ERR|ER|E)_[A-Z0-9_]{3,60}\b"
    r"|\b[A-Z][A-Z0-9_]{2,60}_(?:ERROR|ERR|EXCEPTION|FAILED|FAILURE|DENIED|EXPIRED|INVALID|LOCKED"
    r"|EXCEEDED|DISABLED|REFUSED|NOT_FOUND|NOT_EXISTS?|MISMATCH|UNAVAILABLE|UNAUTHORIZED)\b"
)
_CODE = re.compile(
    r"""(?:error|code|reason|cause|outcome|type|error_code|err|errcode|error_type|status)["']?\s?[:=]\s?["']?"""
    r"([a-z]{2,20}(?:[_.-][a-z]{2,20}){1,5})\b"
)
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_CLUES = ("err", "exception", "fail", "denied", "code", "expired", "exceed", "not")
_ENDS = re.compile(
    "_|Error|Exception|Failure|Fault|Exceeded|NotFound|Denied|Expired|Refused|Invalid|Conflict"
    "|Detected|Canceled|Violation|Disallowed|Credentials"
)
"""What is in every name: most lines have none of it."""

LONGEST = 600
"""Characters of a line in which names are looked for."""


@dataclass(frozen=True, slots=True)
class Named:
    """A name that was found: what it means, how sure that is, and where it stands."""

    cause: str
    weight: float
    start: int
    end: int


class Names:
    """What names mean."""

    def __init__(
        self, exact: dict[str, str], entries: list[tuple[frozenset[str], str]], db: frozenset[str]
    ) -> None:
        self._exact = exact
        self._entries = entries
        self._db = db
        self.of = lru_cache(maxsize=4096)(self._of)

    def clue(self, low: str) -> bool:
        """Whether a line, in lower case, may hold a name."""
        for clue in _CLUES:  # noqa: SIM110 - any() is slower, and every line is asked
            if clue in low:
                return True
        return False

    def read(self, line: str) -> Iterator[Named]:
        """The names in *line* that mean something."""
        line = line[:LONGEST]
        for pattern in (_NAME, _CODE) if _ENDS.search(line) else (_CODE,):
            for found in pattern.finditer(line):
                group = found.lastindex or 0
                if meaning := self.of(found[group]):
                    yield Named(*meaning, found.start(group), found.end(group))

    def _of(self, name: str) -> tuple[str, float] | None:
        """What *name* means, and how sure that is."""
        if known := self._exact.get(name.lower()):
            return known, EXACT
        words = {part.lower() for part in _PARTS.findall(name)}
        if words & self._db:
            words.add("@db")
        best = max(
            ((len(entry), -place) for place, (entry, _) in enumerate(self._entries)
             if entry <= words),
            default=None,
        )  # fmt: skip
        if best is None:
            return (UNKNOWN, VAGUE - 0.05) if name.endswith(("Error", "Exception")) else None
        count, place = best
        return self._entries[-place][1], SURE if count > 1 else VAGUE


@cache
def names() -> Names:
    """The names of this package."""
    kept = table("names")
    exact = {
        name.lower(): cause for cause, known in kept["exact"].items() for name in known.split()
    }
    entries = [
        (frozenset(entry.split()), cause)
        for cause, known in kept["words"].items()
        for entry in known
    ]
    return Names(exact, entries, frozenset(kept["db"].split()))
