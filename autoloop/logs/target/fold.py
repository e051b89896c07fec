"""Folding: records that differ in numbers and ids alone are counted, and the first of them is kept.

Of a short record of one line in ASCII the words without a digit are compared; of others, which may
hold a trace, all but their digits. So two records that are folded have the same fingerprint.

A storm of a million equal lines is one record with a count before it is understood, stored or sent.
"""

from typing import Any, Dict, List

from autoloop.logs.target.records import AROUND, KEPT, Record, record

SHAPE = 4096
"""Bytes of a record by which it is compared."""

SHORT = 1000
"""Bytes of a record of which every word counts for its fingerprint."""

MOST = 10000
"""Different records that are held at once, and their bytes."""
MOST_BYTES = 24 << 20

WORDS = bytes(
    c if 97 <= c <= 122 or c in b"-_@?" or c > 127 else 48 if 48 <= c <= 57 else 32
    for c in range(256)
)
"""In lower case: what a word is made of stays, a digit becomes 0, all else parts words."""

_LOWER_WORDS = bytes(WORDS[c + 32] if 65 <= c <= 90 else WORDS[c] for c in range(256))
_ASCII = bytes(range(128))
_DIGITS = bytes(48 if 48 <= c <= 57 else c for c in range(256))


def shape(text: bytes) -> bytes:
    """*text* with one 0 for each run of digits."""
    text = text.translate(_DIGITS).replace(b"0000", b"0").replace(b"00", b"0")
    while b"00" in text:
        text = text.replace(b"00", b"0")
    return text


def same(text: bytes) -> Any:
    """What is equal of two records that are folded."""
    if (
        len(text) > SHORT
        or b"\n" in text[:-1]
        or b"?" in text
        or b"@" in text
        or text.translate(None, _ASCII)
    ):
        return shape(text)
    words = text.translate(_LOWER_WORDS).decode("ascii").split()  # quicker in str than in bytes
    return " ".join([word for word in words if "0" not in word])


class Folded:
    """One record, how often it came, and where the first and last of them begin."""

    __slots__ = ("count", "last", "record", "source")

    def __init__(self, source: str, record: Record) -> None:
        self.source, self.record = source, record
        self.count, self.last = 1, record.place


class Fold:
    """What was found since it was last handed on."""

    def __init__(self) -> None:
        self._rows: Dict[Any, Folded] = {}
        self._bytes = 0
        self.seen = 0

    def add(self, source: str, found: Any) -> None:
        """Take in the records of a block."""
        data, rows = found.data, self._rows
        for span in found.spans:
            first, last = span
            text = data[first : last if last - first <= SHAPE else first + SHAPE]
            key = (source, same(text))
            known = rows.get(key)
            if known is not None:
                known.count += 1
                known.last = found.place + first
                continue
            whole = record(data, span, found.end, found.place + first)
            rows[key] = Folded(source, whole)
            self._bytes += len(text) + min(last - first, KEPT) + 2 * AROUND
        self.seen += len(found.spans)

    @property
    def full(self) -> bool:
        return len(self._rows) >= MOST or self._bytes >= MOST_BYTES

    def take(self) -> List[Folded]:
        """Everything, in the order in which it was first seen; then it is empty."""
        rows, self._rows, self._bytes = list(self._rows.values()), {}, 0
        return rows

    def __len__(self) -> int:
        return len(self._rows)
