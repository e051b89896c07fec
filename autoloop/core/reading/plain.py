"""Plain lines: without what every line of a log tells of itself, in which no culprit stands."""

import re
from functools import lru_cache

_TIME = re.compile(
    r"\b[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \d{4}\b"
    r"|(?:\d{2,4}[-/]\d\d[-/]\d\d[T ]|\b)\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\b\d{3}/\d{6} \(\d{1,7}\) ?:"
    r"|(?<![\w./@-])\d{2,4}[-/]\d\d[-/]\d\d(?:[T ]|(?![\w./-]))|\b[A-Z][a-z]{2}-\d\d-\d\d(?:\d\d)? "
)

_TIMED = re.compile(r"[\da-z][-/:]\d\d[-/:]\d\d|\d/\d{6} \(")
"""What is in every time: soon found, or not."""

_WHO_LOGS = re.compile(
    r"""["']?\b(?:caller|logger|source)["']?[:=] ?["']?[\w./:-]{1,120}["']?"""
    r"|--- (?:\[[^\]\n]{0,60}\] ?){1,3}[\w.$/\[\]-]{1,80} *: "
    r"|(?<![\w.@/:-])(?:[a-z]{1,3}\.){2,8}(?:[a-z]\w{0,40}\.){0,6}[A-Z][\w.$]{0,80}"
)
"""What a logger tells of itself."""

_ABBREVIATED = re.compile(r"[a-z]\.[a-z]{1,3}\.")

_SOURCE = re.compile(
    r"(?<=[\s\[])[\w./-]{1,80}\.(?:go|c|cc|cpp|h|erl|rs):\d{1,6}\](?=[\s:])|\(\w{1,40}\.c[.:]\d{1,6}\)"
)

_SOURCES = (".go:", ".c:", ".c.", ".cc:", ".cpp:", ".h:", ".erl:", ".rs:")
"""Where in the source of a program a line was written, and what must be there for it."""

_BROWSER = re.compile(r'"Mozilla/\d[^"\n]{0,300}"')
"""What a browser says of itself, in the line of an access log."""

_NUMBERS = re.compile(
    r"(?<=[\w)])\[\d{1,9}\](?=: )"
    r"|(?<![\w./-])[\da-fA-F]{8}(?:-[\da-fA-F]{4}){3}-[\da-fA-F]{12}(?![\w/-]|\.\w)"
)


@lru_cache(maxsize=64)
def plain(line: str) -> str:
    """*line* without times, numbers of processes and requests, what its logger tells, and what a
    browser says of itself."""
    if _TIMED.search(line):
        line = _TIME.sub("", line)
    if _tells_who(line):
        line = _WHO_LOGS.sub("", line)
    if '"Mozilla/' in line:
        line = _BROWSER.sub("", line)
    if _numbered(line):
        line = _NUMBERS.sub("", line)
    return _SOURCE.sub("", line) if any(each in line for each in _SOURCES) else line


@lru_cache(maxsize=64)
def cleared(line: str) -> str:
    """As `plain`, with blanks for what is taken out."""
    if _TIMED.search(line):
        line = _TIME.sub(_blank, line)
    if _tells_who(line):
        line = _WHO_LOGS.sub(_blank, line)
    if any(each in line for each in _SOURCES):
        line = _SOURCE.sub(_blank, line)
    if '"Mozilla/' in line:
        line = _BROWSER.sub(_blank, line)
    if _numbered(line):
        line = _NUMBERS.sub(_blank, line)
    return line


def _numbered(line: str) -> bool:
    """Whether a process or a request may have its number in a line."""
    return "]: " in line or line.count("-") > 3


def _blank(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _tells_who(line: str) -> bool:
    """Whether a logger may tell of itself in a line."""
    return (
        "caller" in line
        or "logger" in line
        or "source" in line
        or "--- " in line
        or bool(_ABBREVIATED.search(line))
    )
