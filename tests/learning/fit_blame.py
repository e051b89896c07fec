"""Fits what the marks of names weigh (`autoloop/core/reading/blame.py`) to the labelled texts.

    make learned                                 # writes blame.json
    python tests/learning/fit_blame.py --fold 4  # writes nothing

It learns from those of the texts in ``texts/`` that name a `culprit`, and from the examples of the
signatures. With --fold N it is measured how often the culprit is right, where no pattern names one,
in texts of technologies (`tech`) that were left out, N times another part of them.
"""

import argparse
import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from itertools import chain

from scoring import culprit_hit
from train import TARGET, TEXTS, write

from autoloop.core.reading import engine, gate, signature_engine
from autoloop.core.reading.blame import WEIGHTS, Complaint, marked
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.signatures import book
from autoloop.core.reading.traces import Trace

ROUNDS, RATE, KEEP, SELDOM, LEAST = 16, 0.2, 0.01, 10, 0.08
"""Passes over the records; step; pull to nothing; marks seen less often, or of less weight, go."""

EXAMPLES = 2
"""How often the examples of the signatures count."""

Row = tuple[list[tuple[str, list[str], bool]], str, str]
"""The names of a record, each with its marks and whether it is right; what is told; technology."""


def row(record: dict[str, str]) -> Row:
    """The names that the engine would weigh in a record."""
    seen: list[tuple[Complaint, Excerpt, Trace]] = []

    def keep(complaint: Complaint, excerpt: Excerpt, trace: Trace) -> str:
        seen.append((complaint, excerpt, trace))
        return complaint.told

    engine.blamed = gate.blamed = keep  # type: ignore[attr-defined]
    first = signature_engine().read(record["text"])[0]
    asked = next((each for each in seen if each[0].name == first.name), None)
    gold, tech = record["culprit"], record.get("tech") or ""
    if asked is None:
        return [], "", tech
    names = marked(*asked).items()
    return (
        [(n, sorted(chain.from_iterable(marks)), culprit_hit(gold, n)) for n, marks in names],
        asked[0].told,
        tech,
    )


def fitted(rows: list[Row]) -> dict[str, float]:
    """Weights by which the right names come before the others, as likely as may be."""
    counted = Counter(mark for names, _, _ in rows for _, marks, _ in names for mark in marks)
    known = {mark for mark, count in counted.items() if count >= SELDOM}
    data = [
        [([m for m in marks if m in known], good) for _, marks, good in names]
        for names, _, _ in rows
        if 0 < sum(good for _, _, good in names) < len(names)
    ]
    weights, pace = dict.fromkeys(known, 0.0), dict.fromkeys(known, 1e-6)
    total = dict.fromkeys(known, 0.0)
    chance = random.Random(1)
    for turn in range(ROUNDS):
        chance.shuffle(data)
        for names in data:
            step(names, weights, pace)
        if turn >= ROUNDS // 2:
            for mark in known:
                total[mark] += weights[mark]
    mean = {mark: total[mark] / (ROUNDS - ROUNDS // 2) for mark in known}
    return {mark: round(w, 2) for mark, w in sorted(mean.items()) if abs(w) >= LEAST}


def step(
    names: list[tuple[list[str], bool]], weights: dict[str, float], pace: dict[str, float]
) -> None:
    """One step towards the right names of one record."""
    sums = [sum(weights[mark] for mark in marks) for marks, _ in names]
    top = max(sums)
    likely = [math.exp(each - top) for each in sums]
    all_, right = sum(likely), sum(p for p, (_, good) in zip(likely, names, strict=True) if good)
    slope: Counter[str] = Counter()
    for each, (marks, good) in zip(likely, names, strict=True):
        off = each / all_ - (each / max(right, 1e-12) if good else 0.0)
        for mark in marks:
            slope[mark] += off
    for mark, value in slope.items():
        value += KEEP * weights[mark]
        pace[mark] += value * value
        weights[mark] -= RATE * value / math.sqrt(pace[mark])


def right(rows: list[Row], weights: dict[str, float]) -> int:
    """In how many records the right name is blamed."""
    hits = 0
    for names, _, _ in rows:
        best = max(names, key=lambda n: sum(weights.get(m, 0) for m in n[1]), default=None)
        hits += best is not None and best[2]
    return hits


def records() -> Iterator[dict[str, str]]:
    """The labelled texts with a culprit."""
    for file in sorted(TEXTS.glob("*.jsonl")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if (record := json.loads(line)).get("culprit"):
                yield record


def examples() -> Iterator[dict[str, str]]:
    """The examples of signatures that name a culprit."""
    for each in book().signatures:
        for text, culprit in each.examples:
            if culprit:
                yield {"text": text, "culprit": culprit, "tech": text[:9]}


def apart(every: list[Row], folds: int) -> tuple[int, int]:
    """How often the culprit is right of technologies left out, and how many were asked for."""
    techs = sorted({tech for _, _, tech in every})
    random.Random(1).shuffle(techs)
    fold = {tech: number % folds for number, tech in enumerate(techs)}
    hits = asked = 0
    for number in range(folds):
        weights = fitted([each for each in every if fold[each[2]] != number])
        left = [e for e in every if e[0] and not e[1] and fold[e[2]] == number]
        hits, asked = hits + right(left, weights), asked + len(left)
    return hits, asked


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fold", type=int, default=0, help="measure, in so many parts")
    folds = options.parse_args().fold
    written = [row(each) for each in records()]
    if folds:
        print("right {} of {}".format(*apart(written, folds)))
        return
    weights = fitted(written + [row(each) for each in examples()] * EXAMPLES)
    text = json.dumps(weights, ensure_ascii=False, indent=0)
    write(TARGET / WEIGHTS, (text + "\n").encode())


if __name__ == "__main__":
    main()
