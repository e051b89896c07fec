"""Fits what the marks of names weigh (`autoloop/core/reading/blame.py`) to the labelled texts.

    make learned                                 # writes blame.json
    PYTHONPATH=tests/bench python tests/learning/fit_blame.py --fold 4  # writes nothing

It learns from those of the texts in ``texts/`` that name a `culprit`, and from the examples of the
signatures. With --fold N it is measured how often the culprit is right, where no pattern names one,
in texts of technologies (`tech`) that were left out, N times another part of them.
"""

import argparse
import json
import random
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scoring import culprit_hit
from train import TARGET, TEXTS, write

from autoloop.core.reading import blame, engine, gate, signature_engine
from autoloop.core.reading.blame import WEIGHTS, Complaint, marked
from autoloop.core.reading.culprits import opinions
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.signatures import book
from autoloop.core.reading.traces import Trace

PULL, SELDOM, LEAST = 6.0, 3, 0.04
"""The pull to nothing; marks seen less often, or of less weight, go."""

PRIOR = {"told cause": 1.0, "told near": 0.5}
"""What is added: texts that were written in one place teach too little trust in patterns."""

BLAMED = blame.blamed

EXAMPLES = 2
"""How often the examples of the signatures count."""

Row = tuple[list[tuple[str, list[str], bool]], bool, str]
"""The names of a record, each with its marks and whether it is right; whether a pattern told it,
so that names are not weighed; technology."""


def row(record: dict[str, str]) -> Row:
    """The names that the engine would weigh in a record, or would if no pattern told it."""
    seen: list[tuple[Complaint, Excerpt, Trace]] = []
    weighed: list[str] = []

    def asked_for(
        found: Complaint, excerpt: Excerpt, trace: Trace, hint: str = "", *, weighs: bool = True
    ) -> str:
        thought = tuple(opinions(found.name, excerpt.lines, found.line, hint))
        seen.append((found._replace(thought=thought), excerpt, trace))
        return BLAMED(found, excerpt, trace, hint, weighs=weighs)

    def keep(complaint: Complaint, _excerpt: Excerpt, _trace: Trace) -> str:
        weighed.append(complaint.name)
        return ""

    for module, name, instead in (
        (engine, "blamed", asked_for),
        (gate, "blamed", asked_for),
        (blame, "weighed", keep),
    ):
        setattr(module, name, instead)
    first = signature_engine().read(record["text"])[0]
    asked = next((each for each in seen if each[0].name == first.name), None)
    gold, tech = record["culprit"], record.get("tech") or ""
    if asked is None or first.name not in (record["name"], record.get("also")):
        return [], False, tech
    names = marked(*asked).items()
    return (
        [(n, sorted(chain.from_iterable(marks)), culprit_hit(gold, n)) for n, marks in names],
        first.name not in weighed,
        tech,
    )


def fitted(rows: list[Row]) -> dict[str, float]:
    """Weights by which the right names come before the others, as likely as may be."""
    counted = Counter(mark for names, _, _ in rows for _, marks, _ in names for mark in marks)
    known = [mark for mark, count in counted.items() if count >= SELDOM]
    column = {mark: number for number, mark in enumerate(known)}
    data = [names for names, _, _ in rows if 0 < sum(good for _, _, good in names) < len(names)]
    columns = [[column[m] for m in marks if m in column] for n in data for _, marks, _ in n]
    ends = np.cumsum([0, *map(len, columns)])
    marks = csr_matrix(
        (np.ones(ends[-1]), list(chain.from_iterable(columns)), ends), (len(columns), len(known))
    )
    good = np.array([right for names in data for _, _, right in names])
    sizes = [len(names) for names in data]
    first = np.cumsum([0, *sizes[:-1]])
    record = np.repeat(np.arange(len(data)), sizes)
    turned = marks.T.tocsr()

    def loss(weights: Any) -> tuple[float, Any]:
        sums = marks @ weights
        likely = np.exp(sums - np.maximum.reduceat(sums, first)[record])
        every = np.add.reduceat(likely, first)
        right = np.add.reduceat(likely * good, first) + 1e-300
        slope = likely / every[record] - likely * good / right[record]
        lost = (np.log(every) - np.log(right)).sum() + PULL * (weights @ weights) / 2
        return lost, turned @ slope + PULL * weights

    found = minimize(loss, np.zeros(len(known)), jac=True, method="L-BFGS-B").x
    weights = dict(zip(known, found.tolist(), strict=True))
    weights |= {mark: weights.get(mark, 0) + added for mark, added in PRIOR.items()}
    return {mark: round(w, 2) for mark, w in sorted(weights.items()) if abs(w) >= LEAST}


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
                yield {"text": text, "culprit": culprit, "tech": text[:9], "name": each.name}


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
