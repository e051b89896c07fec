"""Culprits: the entity a line is about, where the signature itself did not name it."""

import re
import tomllib
from functools import cache
from importlib.resources import files

from autoloop.core.reading.patterns import compiled
from autoloop.core.redact import redact

LONGEST = 160
_TIME = re.compile(
    r"\d{2,4}[-/]\d\d[-/]\d\d[T ]|\b\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
)
_TRIM = " \t'\"`,;()[]<>「」“”‘’"

PLACES = ("CONFIG.invalid_config_file", "CODE.syntax_error")
"""Causes that lie at a line of a file."""

_FILE = r"(?P<f>[\w./~@+-]{0,160}[\w-]\.[A-Za-z]\w{0,9}|/[\w./~@+-]{2,160})"
_PLACED = tuple(
    re.compile(pattern)
    for pattern in (
        _FILE + r"[\"'`)]?:(?P<n>\d{1,6})\b",
        _FILE + r"[\"'`)]?[:,]? (?:on |at |in )?(?:line|行|第)[ :]{0,2}(?P<n>\d{1,6})\b",
        r"(?i)\bline (?P<n>\d{1,6}),? (?:of|in)(?: file)? [\"'`]?" + _FILE,
    )
)

_NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "a an and any at be been by can cause code connect connection container could daemon data "
        "database does error errors exception exist exists failed failure false fatal field file "
        "for found from function get given has have host http https id in info instance into "
        "invalid is it its job key line list local log main message method missing name new "
        "no not null object of on or out password path process property remote request "
        "required response running server service set socket some specified status "
        "string system table tcp that the their "
        "them this time to token true type undefined unknown user using valid value "
        "warning was we web when while with worker you your",
    )
)
"""Words that patterns may take for a name."""


@cache
def _patterns() -> dict[str, tuple[str, ...]]:
    folder = files("autoloop.core.reading") / "signatures"
    table = tomllib.loads((folder / "culprits.toml").read_text(encoding="utf-8"))
    return {name: tuple(patterns) for name, patterns in table.items()}


def culprit_of(name: str, lines: list[str], line: int, hint: str = "") -> str:
    """The culprit of cause *name* in *line*, else in the lines next to it; empty if none shows.

    What the pattern of a broad signature took, *hint*, goes before what a class mostly names.
    """
    around = (n for n in (line, line + 1, line - 1) if 0 <= n < len(lines))
    near = (_TIME.sub("", lines[n]) for n in around)
    exact = _patterns().get(name, ())
    general = _patterns().get(name.split(".")[0], ())
    if name in PLACES and (place := place_in(lines[line])):
        return place
    found = next(filter(None, (_first(exact, text) for text in near)), "")
    return found or named(hint) or _first(general, _TIME.sub("", lines[line]))


def place_in(line: str) -> str:
    """The file and the line in it that *line* speaks of, as ``file:number``; else empty."""
    for pattern in _PLACED:
        if found := pattern.search(line):
            return f"{found['f']}:{found['n']}"
    return ""


def _first(patterns: tuple[str, ...], text: str) -> str:
    for pattern in patterns:
        if (found := compiled(pattern).search(text)) and (culprit := named(found["c"])):
            return culprit
    return ""


def shown(culprit: str, excerpt: str, line: str) -> str:
    """*culprit* as it may be shown: without what is hidden in its line; *excerpt* is redacted."""
    if culprit in excerpt:
        return culprit
    hidden = redact(culprit)
    return hidden if culprit not in line or hidden in redact(line) else ""


def trimmed(text: str) -> str:
    """Without the quotes and brackets around it."""
    text = text.strip(_TRIM).rstrip(".:")
    return text if len(text) <= LONGEST else ""


def named(text: str) -> str:
    """As `trimmed`; empty where it is a word and no name."""
    text = trimmed(text)
    return "" if text.lower() in _NO_NAMES else text
