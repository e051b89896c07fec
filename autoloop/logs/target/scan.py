"""Looking for marks in a block of bytes, with the standard library alone."""

import re
from typing import Iterable, List, Optional, Set

from autoloop.logs.target.marks import MARKS

REMEMBERED = 100000
"""Words known to be calm, at most."""

LONGEST = 40
"""Letters of a word that is remembered."""

_LETTERS = bytes(
    c if 97 <= c <= 122 or c > 127 else c + 32 if 65 <= c <= 90 else 32 for c in range(256)
)
_RUN = re.compile(b"[a-z\x80-\xff]+")


class Words:
    """Splits a block into words, and searches only for marks whose longest word is among them.

    A block has few words that were not seen before, so this costs little more than the splitting.
    """

    name = "standard"

    def __init__(self, marks: Iterable[bytes] = MARKS) -> None:
        self._marks = [(mark, max(_RUN.findall(mark), key=len, default=b"")) for mark in marks]
        self._calm: Set[bytes] = set()

    def hits(self, block: bytes, start: int = 0, end: Optional[int] = None) -> List[int]:
        """Places in *block* from *start* to *end*, ascending.

        At least one in each line with a mark, none in others; both ends are those of lines.
        """
        block = block[start:end]
        words = set(block.translate(_LETTERS).split())
        words -= self._calm
        text = b"\n".join(words)
        needed = [(mark, word) for mark, word in self._marks if word in text]
        self._remember(words, [word for _, word in needed if word])
        if not needed:
            return []
        low = block.lower()
        found: Set[int] = set()
        for mark, _ in needed:
            found.update(_places(low, mark))
        return sorted(start + place for place in found)

    def _remember(self, words: Set[bytes], alarming: List[bytes]) -> None:
        if len(self._calm) > REMEMBERED:
            self._calm.clear()
        if alarming:
            alarm = re.compile(b"|".join(re.escape(word) for word in alarming)).search
            words = {word for word in words if not alarm(word)}
        self._calm.update(word for word in words if len(word) <= LONGEST)


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
