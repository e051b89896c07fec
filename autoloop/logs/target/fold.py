"""Folding: records that differ in numbers and ids alone are counted, and the first of them is kept.

Of a short record of one line in ASCII the words without a digit are compared; of others, which may
hold a trace, all but their digits. A zero that says that nothing failed is no such digit: "0
errors" and "7 errors" are not the same. So two records that are folded have the same fingerprint.

A storm of a million equal lines is one record with a count before it is understood, stored or sent.
"""

import re
from typing import Any, Dict, List

from autoloop.logs.target.records import AROUND, KEPT, Record, record

SHAPE = 4096
"""Bytes of a record by which it is compared."""

SHORT = 1000
"""Bytes of a record of which every word counts for its fingerprint."""

MOST = 10000
MOST_BYTES = 8 << 20
"""Different records that are held at once, and their bytes: a byte that is no text travels as six.
Where one block has more than that, what is around its records is left out."""

WORDS = bytes(
    c if 97 <= c <= 122 or c in b"-_@?" or c > 127 else 48 if 48 <= c <= 57 else 32
    for c in range(256)
)
"""In lower case: what a word is made of stays, a digit becomes 0, all else parts words."""

_LOWER_WORDS = bytes(WORDS[c + 32] if 65 <= c <= 90 else WORDS[c] for c in range(256))
_DIGITS = bytes(48 if 48 <= c <= 57 else c for c in range(256))
_ZERO = re.compile(rb'0(?![\w:/-]|[.,]\d)(?:(?<![\w.:,/#@+-]0)|(?<=":0))')
"""A number that is 0: not a part of a time, an address, a version, a place in a trace."""

_TOLD_BEFORE = re.compile(
    rb"(?:error|fail|warn|exception|problem|timeout|conflict|crash|lost|dropped|reject|killed"
    rb"|unreachable|code|status|exit|errno|result|\brc|\bret)\w*[\"']?[=: ]{1,3}[\"']?\Z"
    + "|(?:错误|失败|异常|警告|码)(?:数|数量|次数)?(?:：|[=: ]){1,2}$".encode(),
    re.IGNORECASE,
)
_TOLD_AFTER = re.compile(
    rb" (?:error|failure|warning|exception|problem|issue|timeout|conflict|crashe)s\b"
    + "| ?(?:个|条|次)?(?:错误|失败|异常|警告)".encode(),
    re.IGNORECASE,
)
_FAILED_AFTER = re.compile(
    rb" (?:failed|errors?|failures?|lost|dropped|rejected|killed|down)\b", re.I
)
_NAMED = re.compile(rb"[A-Za-z] \Z")
NEAR = 30
"""Bytes around a zero in which stands what it counts."""


def spelled(text: bytes) -> bytes:
    """*text* with a letter for each zero that says that nothing failed: it is not like a number."""
    return _ZERO.sub(_letter, text)


def _letter(found: Any) -> bytes:
    text, at, end = found.string, found.start(), found.end()
    before = text[max(0, at - NEAR) : at]
    told = (
        _TOLD_BEFORE.search(before)
        or _TOLD_AFTER.match(text, end)
        or (not _NAMED.search(before) and _FAILED_AFTER.match(text, end))  # else "order 0 failed"
    )
    return b"o" if told else b"0"


def shape(text: bytes) -> bytes:
    """*text* with one 0 for each run of digits, and a letter for one that says nothing failed."""
    text = spelled(text).translate(_DIGITS).replace(b"0000", b"0").replace(b"00", b"0")
    while b"00" in text:
        text = text.replace(b"00", b"0")
    return text


def same(text: bytes) -> Any:
    """What is equal of two records that are folded."""
    if len(text) <= SHORT and b"\n" not in text[:-1] and b"?" not in text and b"@" not in text:
        try:  # in str it is quicker than in bytes
            words = spelled(text).translate(_LOWER_WORDS).decode("ascii").split()
        except UnicodeDecodeError:
            return shape(text)
        return " ".join([word for word in words if "0" not in word])
    return shape(text)


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
            if self._bytes >= MOST_BYTES:
                whole = whole._replace(before=b"", after=b"")
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
