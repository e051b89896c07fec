"""Fits what the marks of names weigh (`autoloop/core/reading/blame.py`) to labelled records.

    python tests/bench/fit_blame.py RECORDS.jsonl[=TIMES] ... [--fold N] > blame.json
    python tests/bench/fit_blame.py --words > wordings.txt

Each record holds `text` and `culprit`, and perhaps `tech`. TIMES is how often its records count.
With --fold N nothing is written, but it is measured how often the culprit is right, where no
pattern names one, in records of technologies that were left out, N times another part of them.
"""

import json
import math
import random
import re
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

from scoring import culprit_hit

from autoloop.core.reading import engine, gate, text_engine
from autoloop.core.reading.blame import Complaint, marked
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
    first = text_engine().read(record["text"])[0]
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


def right(rows: list[Row], weights: dict[str, float]) -> float:
    """In what share of the records the right name is blamed."""
    hits = 0
    for names, _, _ in rows:
        best = max(names, key=lambda n: sum(weights.get(m, 0) for m in n[1]), default=None)
        hits += best is not None and best[2]
    return hits / max(len(rows), 1)


def words() -> list[str]:
    """The words that the signatures are made of."""
    patterns = " ".join(pattern for each in book().signatures for pattern in each.patterns)
    return sorted(set(re.findall(r"(?<![\\a-z])[a-z]{3,20}", patterns)))


def main(*args: str) -> None:
    """See the module."""
    if args == ("--words",):
        print("\n".join(words()))
        return
    folds = int(args[args.index("--fold") + 1]) if "--fold" in args else 0
    examples = [
        {"text": text, "culprit": culprit, "tech": text[:9]}
        for each in book().signatures
        for text, culprit in each.examples
    ]
    parts = [(EXAMPLES, [row(each) for each in examples if each["culprit"]])]
    for name in args[: args.index("--fold")] if folds else args:
        path, _, times = name.partition("=")
        records = [json.loads(line) for line in Path(path).read_text().splitlines()]
        rows = [row(each) for each in records if each.get("culprit")]
        parts.append((int(times or 1), rows))
    every = [each for times, rows in parts for each in rows * times]
    if not folds:
        print(json.dumps(fitted(every), ensure_ascii=False, indent=0))
        return
    techs = sorted({tech for _, rows in parts for _, _, tech in rows})
    random.Random(1).shuffle(techs)
    fold = {tech: number % folds for number, tech in enumerate(techs)}
    found = []
    for number in range(folds):
        weights = fitted([each for each in every if fold[each[2]] != number])
        apart = [
            [e for e in rows if e[0] and not e[1] and fold[e[2]] == number] for _, rows in parts
        ]
        found.append([(right(rows, weights) * len(rows), len(rows)) for rows in apart])
    for name, *hits in zip(("examples", *args), *found, strict=False):
        told, count = (sum(each) for each in zip(*hits, strict=True))
        print(f"{name}: {told:.0f} of {count}")


if __name__ == "__main__":
    main(*sys.argv[1:])
