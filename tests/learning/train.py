"""Train the classifier of the text engine on the texts in ``texts/``; needs scikit-learn.

A line of those files is a JSON object: ``text``, ``name`` (of the cause), perhaps ``also``,
``culprit`` and ``tech`` (see `fit_blame`). They were written for this purpose, by what each name
means, and are worded as programs and people word such things; none was taken from elsewhere. The
examples of the signatures are learnt too. How sure the classifier may be is fitted by folds (no
text is judged by one that has seen it): one factor for all names, as Platt's scaling has it.
"""

import json
import sys
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import LinearSVC

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.learned import MIDDLE, RARITY, counted
from autoloop.core.reading.signatures import book

TEXTS = Path(__file__).with_name("texts")
TARGET = TEXTS.parents[2] / "autoloop" / "core" / "reading" / "signatures"
KEPT = 20_000
"""Words that are kept: those that tell most."""

COST = 1.0


def texts(folder: Path = TEXTS) -> list[tuple[str, str]]:
    """All labelled texts and the examples of signatures, each with its name."""
    lines = (
        line
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    written = [(row["text"], row["name"]) for row in map(json.loads, lines)]
    return written + [
        (text, each.name)
        for each in book().signatures
        for text, _ in each.examples
        if each.name != BENIGN
    ]


def vocabulary(found: list[frozenset[str]]) -> dict[str, float]:
    """Words that two texts and more have, and how rare each is."""
    common = Counter(word for of_text in found for word in of_text)
    total = len(found)
    return {w: 1 + float(np.log(total / n)) for w, n in sorted(common.items()) if n > 1}


def matrix(found: list[frozenset[str]], rarity: dict[str, float]) -> csr_matrix:
    """A row of length one for each text."""
    column = {word: number for number, word in enumerate(rarity)}
    rows, columns, values = [], [], []
    for row, of_text in enumerate(found):
        known = [word for word in of_text if word in column]
        length = np.sqrt(sum(rarity[word] ** 2 for word in known)) or 1.0
        rows += [row] * len(known)
        columns += [column[word] for word in known]
        values += [rarity[word] / length for word in known]
    return csr_matrix((values, (rows, columns)), shape=(len(found), len(rarity)))


def machine() -> LinearSVC:
    return LinearSVC(C=COST, random_state=0)


def pruned(found: list[frozenset[str]], labels: list[str]) -> dict[str, float]:
    """The words that tell most, as their rows of a first training are longest."""
    rarity = vocabulary(found)
    if len(rarity) <= KEPT:
        return rarity
    first = machine().fit(matrix(found, rarity), labels)
    telling = np.abs(first.coef_).max(axis=0)
    kept = set(np.argsort(-telling)[:KEPT].tolist())
    return {word: each for n, (word, each) in enumerate(rarity.items()) if n in kept}


def logs(odds: Any) -> Any:
    """Logarithms of probabilities."""
    top = odds.max(axis=1, keepdims=True)
    return odds - top - np.log(np.exp(odds - top).sum(axis=1, keepdims=True))


def temperature(odds: Any, right: Any) -> float:
    """By what odds are multiplied, so that they are probabilities."""
    place = np.arange(len(right))
    return float(
        minimize(lambda t: -logs(odds * t[0])[place, right].mean(), [4.0], method="Nelder-Mead").x[
            0
        ]
    )


def write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def digest(folder: Path = TEXTS) -> str:
    """Tells of which texts the classifier is."""
    return sha256(b"\0".join(f.read_bytes() for f in sorted(folder.glob("*.jsonl")))).hexdigest()


def main() -> None:
    """Train, and write the classifier."""
    known = texts()
    labels = [name for _, name in known]
    found = [counted(Excerpt(text)) for text, _ in known]
    rarity = pruned(found, labels)
    rows = matrix(found, rarity)
    trained = machine().fit(rows, labels)
    names = trained.classes_.tolist()
    right = np.array([names.index(each) for each in labels])
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    odds = cross_val_predict(machine(), rows, labels, cv=folds, method="decision_function")
    heat = temperature(odds, right)
    told = trained.coef_.T * heat * np.array(list(rarity.values()))[:, None]
    unit = float(np.abs(told).max()) / 127
    table = {
        "of": digest(),
        "names": names,
        "scale": unit,
        "bias": (trained.intercept_ * heat).round(4).tolist(),
        "words": list(rarity),
    }
    weights = bytes(min(255, round(each * RARITY)) for each in rarity.values())
    weights += (np.rint(told / unit).astype(int) + MIDDLE).astype(np.uint8).tobytes()
    table["weights"] = sha256(weights).hexdigest()
    write(TARGET / "learned.bin", weights)
    write(TARGET / "learned.json", (json.dumps(table, ensure_ascii=False) + "\n").encode())
    alone = (odds.argmax(axis=1) == right).mean()
    print(
        f"{len(known)} texts, {len(rarity)} words; alone right in folds: {alone:.3f}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
