"""The arbiter: where signatures are not sure, what labelled texts have taught has a say."""

from functools import cache
from math import exp, log

from autoloop.core.diagnosis import BENIGN, Cause, Evidence
from autoloop.core.reading.blame import Complaint, blamed
from autoloop.core.reading.culprits import shown
from autoloop.core.reading.engine import (
    CAUSES,
    SignatureEngine,
    TextEngine,
    Told,
    evidence,
    language_of,
    signature_engine,
)
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.grammar import grammar
from autoloop.core.reading.lasting import lasting
from autoloop.core.reading.learned import READ, Learned, learned
from autoloop.core.reading.signatures import book
from autoloop.core.reading.traces import trace_of
from autoloop.core.words import Words

SURE = 0.9
"""The confidence above which signatures are not questioned."""

DAMPED = 0.6
"""How much of the classifier's odds counts: texts are of more kinds than those it learnt from."""

TRUSTED = ((0.45, 0.8), (0.7, 1.5), (SURE, 4.0))
"""What is added to the odds of the first cause, by its confidence up to a bound; as logarithms."""

OTHERS = (1.5, 0.5)
"""The same for the second cause, and for each after it."""

LIKENESS = Words(
    en="It is worded like texts of this meaning (learned from examples, no exact wording known).",
    zh="其措辞与此类文本相似（由样例学习得出，并非已知的确切措辞）。",
)


class ArbitratedEngine:
    """An engine whose doubts are settled by a classifier, by the odds of both.

    It is asked what is wrong, not whether anything is, nor which of several lines tells the cause:
    these are the gate's and the ranking's to say.
    """

    def __init__(self, signatures: SignatureEngine, learned: Learned) -> None:
        self._signatures = signatures
        self._learned = learned

    def read(self, text: str, most: int = CAUSES) -> tuple[Cause, ...]:
        """Causes, most likely first."""
        excerpt = Excerpt(text)
        told = self._signatures.told(excerpt)
        if told.names[0] == BENIGN or told.confidence > SURE or len(excerpt.text) > READ:
            return told.causes(most)
        odds = self._odds(excerpt, told)
        best = max(odds, key=odds.__getitem__)
        if best in told.names[: 1 if len(excerpt.lines) == 1 else None]:
            return told.causes(most)
        every = log(sum(map(exp, odds.values())))
        places = {name: place for place, name in enumerate(told.names)}
        rest = sorted(places.keys() - {best}, key=lambda name: (-odds[name], places[name]))
        names = [best, *rest][:most]
        causes = (told.cause(places[n]) if n in places else self._cause(n, excerpt) for n in names)
        sure = {name: round(exp(odds[name] - every), 2) for name in names}
        return tuple(each.model_copy(update={"confidence": sure[each.name]}) for each in causes)

    def _odds(self, excerpt: Excerpt, told: Told) -> dict[str, float]:
        """The logarithm of the odds of each name, by the classifier and the engine together.

        Likeness names no database where neither a signature nor a word of the text does.
        """
        odds = {name: DAMPED * each for name, each in self._learned.likely(excerpt).items()}
        least = min(odds.values())
        if not (
            book().speaks_of("database", excerpt.low) or book().speaks_of("stored", excerpt.low)
        ):
            unheard = (
                name for name in odds if name.startswith("DATABASE.") and name not in told.names
            )
            odds |= dict.fromkeys(unheard, least)
        for place, name in enumerate(told.names):
            odds[name] = odds.get(name, least) + trust(place, told.confidence)
        return odds

    def _cause(self, name: str, excerpt: Excerpt) -> Cause:
        """A cause that no signature knows: the line that speaks most for it, and its culprit."""
        number = self._learned.telling(name, excerpt.lines)
        seen = evidence(excerpt, number)
        culprit = blamed(Complaint(name, number), excerpt, trace_of(excerpt))
        language = language_of(excerpt)
        return Cause(
            name=name,
            culprit=shown(culprit, seen.excerpt, excerpt.lines),
            confidence=0,
            evidence=(
                seen,
                Evidence(source="meaning", excerpt=book().sentence(name).say(language)),
                Evidence(source="likeness", excerpt=LIKENESS.say(language)),
            ),
        )


def trust(place: int, confidence: float) -> float:
    """What is added to the odds of the cause at *place* of the engine's answer, by the *confidence*
    in its first."""
    if place:
        return OTHERS[min(place, len(OTHERS)) - 1]
    return next(added for bound, added in TRUSTED if confidence <= bound)


@cache
def text_engine() -> TextEngine:
    """The engine that is used, made once."""
    with lasting():
        grammar()
        return ArbitratedEngine(signature_engine(), learned())
