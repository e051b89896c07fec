"""How often the text engine is right on labelled records.

A record has `id`, `text`, `class`, `subtype`, and perhaps `also` (a second name that is
defensible), `culprit` and `tech` (the program that printed it).
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoloop.core.reading.engine import TextEngine

CLASSES = ("DATABASE", "CODE", "CONFIG", "SERVICE", "LOGIN", "NONE")

Record = dict[str, Any]


def records(path: Path) -> list[Record]:
    """The records of a file, one JSON object a line."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(each) for each in lines]


def scored(engine: TextEngine, gold: Sequence[Record]) -> dict[str, Any]:
    """Shares of 0 to 1, and the macro-F1 of the classes that occur."""
    tops = [engine.read(row["text"])[0] for row in gold]
    classes = [(row["class"], top.name.split(".")[0]) for row, top in zip(gold, tops, strict=True)]
    said = [
        (f"{row['class']}.{row['subtype']}", row.get("also"), top.name)
        for row, top in zip(gold, tops, strict=True)
    ]
    asked = [name for name in CLASSES if any(right == name for right, _ in classes)]
    named = [
        culprit_hit(str(row["culprit"]), top.culprit)
        for row, top in zip(gold, tops, strict=True)
        if row.get("culprit")
    ]
    return {
        "n": len(gold),
        "class_macro_f1": round(sum(f1(classes, name) for name in asked) / len(asked), 3),
        "class": share([right == name for right, name in classes]),
        "subtype": share([right == name for right, _, name in said]),
        "subtype_with_also": share([name in (right, also) for right, also, name in said]),
        "ordinary_called_error": share([n != "NONE" for right, n in classes if right == "NONE"]),
        "error_called_ordinary": share([n == "NONE" for right, n in classes if right != "NONE"]),
        "culprit": share(named),
    }


def f1(classes: Sequence[tuple[str, str]], name: str) -> float:
    """The F1 of one class."""
    right = sum(gold == name == said for gold, said in classes)
    wrong = sum((gold == name) != (said == name) for gold, said in classes)
    return 2 * right / max(1, 2 * right + wrong)


def share(hits: Sequence[bool]) -> float:
    """The part of them that is true."""
    return round(sum(hits) / max(1, len(hits)), 3)


def culprit_hit(gold: str, told: str) -> bool:
    """Whether *told* names what *gold* does, or a good part of it, without much beside it."""
    gold, told = (re.sub(r"[\s\"'`]", "", each.lower()) for each in (gold, told))
    if not told or len(told) > max(40, 3 * len(gold)):
        return False
    if gold in told or (told in gold and len(told) >= max(3, len(gold) / 2)):
        return True
    return all(part in told for part in re.split(r"[:#]", gold) if part)
