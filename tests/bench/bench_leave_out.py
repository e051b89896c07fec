"""How well texts of programs are read of which nothing is known, as far as that can be simulated.

The examples of the signatures are read without any exact wording: by families of wordings, names
of exceptions and the grammar of complaints alone. With AUTOLOOP_CORPUS, a file of labelled records
with `tech` (see `scoring`), its records too, and then each technology's records without all
alternatives that hold a word of that technology (``technologies.toml``).
"""

import json
import os
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoring import Record, records, scored

from autoloop.core.diagnosis import BENIGN, Cause
from autoloop.core.reading import SignatureEngine, text_engine
from autoloop.core.reading.engine import TextEngine
from autoloop.core.reading.patterns import branches
from autoloop.core.reading.signatures import Book, Signature, book
from autoloop.core.reading.tables import table

NEVER = "no program prints this"
CONTEXTS = table("contexts")


def without(left_out: Callable[[Signature, str], bool]) -> TextEngine:
    """The engine without the alternatives of which *left_out* is true."""
    kept = []
    for each in book().signatures:
        patterns = (
            "|".join(b for b in branches(pattern) if not left_out(each, b)) or NEVER
            for pattern in each.patterns
        )
        kept.append(replace(each, patterns=tuple(patterns)))
    contexts = {name: tuple(words) for name, words in CONTEXTS.items()}
    return SignatureEngine(Book(tuple(kept), contexts))


def exact(signature: Signature, _: str) -> bool:
    """Whether it is no family of wordings, and says that something is wrong."""
    return not signature.whole and signature.name != BENIGN


def own_examples() -> list[Record]:
    """The examples of what is wrong, with what they are read as when nothing is left out."""
    texts = [text for s in book().signatures if s.name != BENIGN for text, _ in s.examples]
    return [_record(text, text_engine().read(text)[0]) for text in texts]


def _record(text: str, top: Cause) -> Record:
    family, _, kind = top.name.partition(".")
    return {"text": text, "class": family, "subtype": kind, "culprit": top.culprit}


def by_technology(gold: Sequence[Record]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Each technology with the scores of its records without its words, and their number."""
    with Path(__file__).with_name("technologies.toml").open("rb") as file:
        words: dict[str, list[str]] = tomllib.load(file)["words"]
    rows = defaultdict(list)
    for row in gold:
        rows[row.get("tech", "")].append(row)
    for technology, own in words.items():
        if mine := rows[technology]:
            engine = without(lambda _, branch, own=own: any(word in branch for word in own))
            yield technology, scored(engine, mine), len(mine)


def main() -> None:
    """Measure and print."""
    bare = without(exact)
    figures: dict[str, Any] = {"examples_without_exact_wordings": scored(bare, own_examples())}
    if corpus := os.environ.get("AUTOLOOP_CORPUS"):
        gold = records(Path(corpus))
        figures["corpus"] = scored(text_engine(), gold)
        figures["corpus_without_exact_wordings"] = scored(bare, gold)
        found = list(by_technology(gold))
        for technology, scores, count in found:
            print(f"{technology:12} n {count:3}  subtype {scores['subtype_with_also']:.2f}  "
                  f"class {scores['class']:.2f}")  # fmt: skip
        count = sum(number for *_, number in found)
        figures["one_technology_left_out"] = {
            "n": count,
            **{
                what: round(sum(scores[what] * n for _, scores, n in found) / max(1, count), 3)
                for what in ("class", "subtype_with_also")
            },
        }
    for what, scores in figures.items():
        print(f"{what}: {scores}")
    print(json.dumps({"bench": "leave-out", "figures": figures, "targets": []}))


if __name__ == "__main__":
    main()
