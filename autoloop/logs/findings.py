"""Findings: what was found in a log, understood, counted and redacted."""

from collections import OrderedDict
from collections.abc import Iterable

from autoloop.core.diagnosis import Cause
from autoloop.core.reading import TextEngine, signature_engine
from autoloop.core.redact import redact
from autoloop.core.words import Frozen
from autoloop.logs.fingerprint import READ, Fingerprints, joined, wording
from autoloop.logs.keys import starred
from autoloop.logs.target.fold import Folded
from autoloop.logs.target.records import lines_after, lines_before

KEPT = 8_000
"""Characters of a record that are kept."""

REMEMBERED = 10_000


class Finding(Frozen):
    """Records of one fingerprint, found together: how many, what they mean, and the first of them.

    *text*, *before* and *after* are redacted; *place* is where the record begins in *source*.
    """

    fingerprint: str
    name: str
    culprit: str = ""
    confidence: float = 0.0
    count: int = 1
    source: str = ""
    place: int = 0
    text: str = ""
    before: str = ""
    after: str = ""


class Understanding:
    """Makes findings of records. What a fingerprint means is read once and remembered."""

    def __init__(self, engine: TextEngine | None = None) -> None:
        self._engine = engine or signature_engine()
        self._fingerprints = Fingerprints()
        self._causes: OrderedDict[tuple[str, bytes | None], Cause] = OrderedDict()

    def findings(self, rows: Iterable[Folded]) -> list[Finding]:
        """One finding for each fingerprint and source, in the order in which it came."""
        merged: dict[tuple[str, str], tuple[Folded, Cause, int]] = {}
        for row in rows:
            mark, cause = self.understood(row.record.text)
            first, cause, count = merged.get((row.source, mark), (row, cause, 0))
            merged[row.source, mark] = (first, cause, count + row.count)
        return [self._finding(mark, *known) for (_, mark), known in merged.items()]

    def understood(self, text: bytes) -> tuple[str, Cause]:
        """The fingerprint of a record, and what it means; both are remembered."""
        mark, said = self._fingerprints.of(text), wording(text[:READ])
        cause = self._cause((mark, said), text)
        return (mark if said is None else joined(mark, cause.name)), cause

    @staticmethod
    def _finding(mark: str, row: Folded, cause: Cause, count: int) -> Finding:
        before, text, after = starred(row.record.before, row.record.text, row.record.after)
        return Finding(
            fingerprint=mark,
            name=cause.name,
            culprit=cause.culprit,
            confidence=cause.confidence,
            count=count,
            source=row.source,
            place=row.record.place,
            text=kept(text),
            before=kept(lines_before(before)),
            after=kept(lines_after(after)),
        )

    def _cause(self, key: tuple[str, bytes | None], text: bytes) -> Cause:
        known = self._causes.get(key)
        if known is None:
            (known,) = self._engine.read(text.decode("utf-8", "replace"), most=1)
            self._causes[key] = known
            if len(self._causes) > REMEMBERED:
                self._causes.popitem(last=False)
        return known


def kept(text: bytes) -> str:
    """What may be kept of a record: bounded and without secrets."""
    said = redact(text.decode("utf-8", "replace")).rstrip("\n")
    if len(said) <= KEPT:
        return said
    return f"{said[: KEPT // 2]}\n… {len(said) - KEPT} characters cut …\n{said[-KEPT // 2 :]}"
