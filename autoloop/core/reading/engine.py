"""The text engine: reads a text and says what may be wrong, most likely first."""

import re
from collections.abc import Sequence
from functools import cache
from typing import Protocol

from autoloop.core.diagnosis import BENIGN, Cause, Evidence
from autoloop.core.reading.blame import Complaint, blamed
from autoloop.core.reading.culprits import (
    at_host,
    completed,
    in_full,
    named,
    of_table,
    place_near,
    shown,
    vague,
)
from autoloop.core.reading.excerpt import Excerpt, Level
from autoloop.core.reading.gate import calm_cause, guessed, hides, is_setting
from autoloop.core.reading.grammar import complains, grammar
from autoloop.core.reading.quoted import quoted
from autoloop.core.reading.rank import FAILED, Suspect, ranked
from autoloop.core.reading.signatures import Book, Hit, book
from autoloop.core.reading.traces import Trace, trace_of
from autoloop.core.redact import redact
from autoloop.core.words import Language

CAUSES = 5
VAGUE = 0.55
"""The weight up to which the words of a line are asked what exactly failed."""

VAGUEST = 0.4
"""The weight of what only tells that something failed: a part of the application, if not named."""

_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class TextEngine(Protocol):
    """Whatever reads a text. Replace it with anything that keeps this one promise."""

    def read(self, text: str, most: int = CAUSES) -> tuple[Cause, ...]:
        """Causes, most likely first; never empty, never raises. "Not an error" is a cause too.

        The first is the same however many are asked for at *most*; to ask for it alone is faster.
        """
        ...


class Told:
    """What signatures say of a text: suspects, the deepest sure one first, or one *given* cause.

    A suspect is made a cause only when it is asked for: to name its culprit takes long.
    """

    def __init__(
        self, excerpt: Excerpt, trace: Trace, suspects: Sequence[Suspect], given: Cause | None
    ) -> None:
        self._excerpt, self._trace = excerpt, trace
        self._suspects, self._given = suspects, given
        self.names = (given.name,) if given else tuple(each.hit.name for each in suspects)
        self.confidence = given.confidence if given else suspects[0].confidence

    def causes(self, most: int = CAUSES) -> tuple[Cause, ...]:
        """Causes, most likely first."""
        return tuple(map(self.cause, range(min(most, len(self.names)))))

    def cause(self, place: int) -> Cause:
        """The cause at *place*; what names its culprit is only weighed for the first one."""
        if self._given:
            return self._given
        return _cause(self._suspects[place], self._excerpt, self._trace, weighs=place == 0)


class SignatureEngine:
    """Reads with signatures: every match is a suspicion, held against level, trace and order."""

    def __init__(self, signatures: Book | None = None) -> None:
        self._book = signatures or book()

    def read(self, text: str, most: int = CAUSES) -> tuple[Cause, ...]:
        """Causes, most likely first."""
        return self.told(Excerpt(text)).causes(most)

    def told(self, excerpt: Excerpt) -> Told:
        """What signatures say of a text that is ready to be read."""
        trace = trace_of(excerpt)
        if not excerpt.text.strip():
            return Told(excerpt, trace, (), Cause(name=BENIGN, confidence=0.99))
        aside = trace.frames | quoted(excerpt)
        hits = [hit for hit in self._book.hits(excerpt) if hit.line not in aside]
        hits = [hit for hit in hits if counts(hit, excerpt)]
        if all(hit.weight <= VAGUE or hit.name == BENIGN for hit in hits):
            hits = [clearer(hit, excerpt) for hit in hits]
        suspects = ranked(hits, excerpt, trace)[:CAUSES]
        if suspects:
            return Told(excerpt, trace, suspects, None)
        hits = self._book.hits(excerpt, thorough=True) if hits else hits
        given = guessed(excerpt, trace, hits) or calm_cause(excerpt, hits)
        return Told(excerpt, trace, (), given)


def counts(hit: Hit, excerpt: Excerpt) -> bool:
    """Whether *hit* may speak of trouble where it stands.

    What only sets or lists a value tells of none; the words of a family mean nothing in a line that
    its program does not call an error and that complains of nothing.
    """
    low = excerpt.low_lines[hit.line]
    if hit.name == BENIGN:
        return excerpt.level(hit.line) <= Level.CALM or not hides(hit, low)
    if excerpt.level(hit.line) > Level.NONE:
        return True
    if is_setting(low):
        return False
    return not hit.signature.whole or complains(low)


def clearer(hit: Hit, excerpt: Excerpt) -> Hit:
    """*hit*, with what its line complains of where it is too vague to tell."""
    if hit.weight > VAGUE or hit.name not in FAILED:
        return hit
    name = grammar().read(excerpt.low_lines[hit.line], topical=True)
    if hit.weight <= VAGUEST and not name:
        return hit._replace(name=FAILED[1])
    return hit._replace(name=name) if name and name not in FAILED else hit


def _cause(suspect: Suspect, excerpt: Excerpt, trace: Trace, weighs: bool) -> Cause:
    hit = suspect.hit
    named_there, hint = completed(named(hit.culprit), excerpt.lines[hit.line]), hit.hint
    if hit.name == "CONFIG.invalid_config_file":
        named_there = place_near(excerpt.lines, hit.line) or named_there
    if vague(hit.name, named_there, excerpt.text):
        named_there, hint = "", hint or named_there
    found = Complaint(hit.name, hit.line, hit.place, hit.place + hit.length, named_there)
    line, beside = excerpt.lines[hit.line], excerpt.lines[max(hit.line - 1, 0) : hit.line + 2]
    culprit = in_full(blamed(found, excerpt, trace, hint, weighs=weighs), line, beside)
    culprit = at_host(of_table(culprit, hit.name, (line, *beside)), hit.name)
    signature, seen = hit.signature, evidence(excerpt, hit.line)
    told = [Evidence(source="meaning", excerpt=signature.words.say(language_of(excerpt)))]
    if signature.next:
        told.append(Evidence(source="look next at", excerpt=signature.next))
    return Cause(
        name=hit.name,
        culprit=shown(culprit, seen.excerpt, excerpt.lines),
        confidence=suspect.confidence,
        evidence=(seen, *told),
    )


def evidence(excerpt: Excerpt, number: int) -> Evidence:
    """A line of a text, redacted."""
    line = excerpt.lines[number].strip()
    return Evidence(source=f"text, line {number + 1}", excerpt=redact(line)[:300])


def language_of(excerpt: Excerpt) -> Language:
    """The language in which to speak of a text."""
    return "zh" if not excerpt.text.isascii() and _CHINESE.search(excerpt.text) else "en"


@cache
def signature_engine() -> SignatureEngine:
    """The engine that only says what it knows the wording of, or can take apart; made once.

    It reads what a host shows: there an answer leads to a remedy, and none must rest on likeness.
    """
    return SignatureEngine()
