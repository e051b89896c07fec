"""Culprits: the entity a line is about, where the signature itself did not name it."""

import re
import tomllib
from functools import cache
from importlib.resources import files

from autoloop.core.reading.patterns import compiled

LONGEST = 160
_TIME = re.compile(
    r"\d{2,4}[-/]\d\d[-/]\d\d[T ]|\b\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
)
_TRIM = " \t'\"`,;()[]<>「」“”‘’"


@cache
def _patterns() -> dict[str, tuple[str, ...]]:
    folder = files("autoloop.core.reading") / "signatures"
    table = tomllib.loads((folder / "culprits.toml").read_text(encoding="utf-8"))
    return {name: tuple(patterns) for name, patterns in table.items()}


def culprit_of(name: str, lines: list[str], line: int) -> str:
    """The culprit of cause *name* in *line*, else in the lines next to it; empty if none shows."""
    patterns = _patterns().get(name) or _patterns().get(name.split(".")[0], ())
    near = [_TIME.sub("", lines[n]) for n in (line, line + 1, line - 1) if 0 <= n < len(lines)]
    for text in near:
        for pattern in patterns:
            if found := compiled(pattern).search(text):
                return trimmed(found["c"])
    return ""


def trimmed(text: str) -> str:
    """Without the quotes and brackets around it."""
    text = text.strip(_TRIM).rstrip(".:")
    return text if len(text) <= LONGEST else ""
