"""Looking for marks in a block of bytes, with the standard library alone."""

import re
from typing import Iterable, List, Optional, Set

from autoloop.logs.target.marks import MARKS

REMEMBERED = 100000
"""Words known to be calm, at most."""

LONGEST = 40
"""Letters of a word that is remembered."""

TELLING = 3
"""Letters of a second word that is asked for, at least: shorter ones are within too many others."""

_LETTERS = bytes(
    c if 97 <= c <= 122 or c > 127 else c + 32 if 65 <= c <= 90 else 32 for c in range(256)
)
_RUN = re.compile(b"[a-z\x80-\xff]+")
_SIGNS = re.compile(rb"[^a-z0-9\s\x80-\xff]+")


class Words:
    """Splits a block into words, and searches only for marks whose words and signs it holds.

    A block has few words that were not seen before, so this costs little more than the splitting.
    """

    name = "standard"

    def __init__(self, marks: Iterable[bytes] = MARKS) -> None:
        self._marks = [(mark, _telling(mark), _signs(mark)) for mark in marks]
        self._alarming = {word for _, words, _ in self._marks for word in words}
        self._signs = {signs for _, _, signs in self._marks}
        self._calm: Set[bytes] = set()

    def hits(self, block: bytes, start: int = 0, end: Optional[int] = None) -> List[int]:
        """Places in *block* from *start* to *end*, ascending.

        At least one in each line with a mark, none in others; both ends are those of lines.
        """
        block = block[start:end]
        words = set(block.translate(_LETTERS).split())
        words -= self._calm
        text = b"\n".join(words)
        alarming = {word for word in self._alarming if word in text}
        self._remember(words, alarming)
        shown = {signs for signs in self._signs if signs in block}
        needed = [
            mark
            for mark, words_of, signs in self._marks
            if signs in shown and alarming.issuperset(words_of)
        ]
        if not needed:
            return []
        low = block.lower()
        found: Set[int] = set()
        for mark in needed:
            found.update(_places(low, mark))
        return sorted(start + place for place in found)

    def _remember(self, words: Set[bytes], alarming: Set[bytes]) -> None:
        if len(self._calm) > REMEMBERED:
            self._calm.clear()
        if alarming:
            alarm = re.compile(b"|".join(re.escape(word) for word in alarming)).search
            words = {word for word in words if not alarm(word)}
        self._calm.update(word for word in words if len(word) <= LONGEST)


def _telling(mark: bytes) -> Set[bytes]:
    """The longest word of *mark*, and its second one if that is long."""
    first, *more = sorted(_RUN.findall(mark), key=len, reverse=True) or [b""]
    return {first, *(word for word in more[:1] if len(word) >= TELLING)} - {b""}


def _signs(mark: bytes) -> bytes:
    """The longest run of signs in *mark*, such as the ``--`` of `` sc-- ``."""
    return max(_SIGNS.findall(mark), key=len, default=b"")


def _places(low: bytes, mark: bytes) -> List[int]:
    found = []
    at = low.find(mark)
    while at >= 0:
        found.append(at)
        end = low.find(b"\n", at)
        if end < 0:
            break
        at = low.find(mark, end)
    return found
