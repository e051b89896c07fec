"""Folded: several lines that somebody joined to one, taken apart again; and lines that were cut.

A field of a form that holds one line makes it so of many, and so do programs that log a trace in
one line. What begins a record, a frame or an exception begins a line again. A terminal cuts lines
at its width, and they are copied so.
"""

import re
from collections.abc import Iterator

FOLDED = 120
"""Characters of a line from which on it may be several that somebody joined."""

_TIMES = (
    r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d",
    r"(?:\[[A-Z][a-z]{2} )?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ",
    r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{1,2}:\d\d:\d\d [AP]M",
    r"\d\d[-/][A-Z\d][a-z\d]{1,2}[-/]\d{2,4}[ :]\d\d:\d\d:\d\d",
    r"\d{6} {1,2}\d{1,2}:\d\d:\d\d ",
    r"\d\d:\d\d:\d\d[.,]\d{2,3} ",
    r"time=\"\d{4}-",
)
_SAYS = (
    r"\b(?:TRACE|DEBUG|INFO|NOTICE|Note|LOG|WARN(?:ING)?|Warning|ERROR|SEVERE|FATAL|CRITICAL|PANIC)\b",
    r"\[(?:debug|info|notice|warn|warning|error|crit|alert|emerg|fatal)\]",
    r"[\w)]\[\d{1,9}\]: ",
    r"\blevel=",
)
_RECORD = re.compile(
    rf" (?=(?:{'|'.join(_TIMES)})[^\n]{{0,60}}?(?:{'|'.join(_SAYS)})"
    r"|\[ {0,8}\d{1,8}\.\d{6}\] )"
)
_SHORTEST = 40
"""Characters of a record that was joined with others: nearer than that are parts of one time."""

_PARTS_OF = re.compile(
    r" (?=(?:LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT): {1,2}[\w\"(])"
)
_PYTHON_FRAME = re.compile(
    r" (?=File \"[^\"\n]{1,200}\", line \d|[A-Z]\w{0,60}(?:Error|Exception): )"
)
_CALLED = re.compile(
    r" (?=at (?:new |async )?(?:[\w.$<>/@`-]{1,160}\.[\w$<>`]{1,80}\([^()\n]{0,200}\)"
    r"|[\w.$<>@]{1,100} \([^()\s]{1,200}:\d{1,6}\)|[^\s()]{1,200}:\d{1,6}:\d{1,6}\b)|Caused by: )"
)
_THROWN = re.compile(
    r"(?<!Caused by:) (?=(?:[a-z][\w$]{0,40}\.){1,8}[A-Z][\w$]{0,80}(?:Exception|Error)\b)"
)
"""Where a record, a part of one of PostgreSQL, a frame, an exception begins in joined lines."""


NARROWEST, WIDEST = 60, 260
"""Characters of a line at which a terminal or a form may have cut."""

LONGEST = 4_000
"""Characters of what is put together."""

USUAL = (72, 76, 78, 79, 80, 100, 120, 132)
"""Widths at which one line is enough to tell that it was cut."""

COLUMN = 30
"""Characters at a line's end in which a gap makes it a row of a table."""

_BEGINS = re.compile(
    rf"(?:{'|'.join(_TIMES)})|[\[<{{(|#*>$-]|\s{{2}}|\t|[\w.-]{{1,40}}(?:\[\d{{1,9}}\])?: "
    r"|(?:Caused by|Traceback|at |File |During handling|The above)|[A-Z]{4,}\b|\d{1,3}[.)] "
    r"|/[\w./-]{3,200}:\d|[A-Z][\w ]{2,30}:$"
)
"""What begins a line of its own, and goes on with no other."""

_NUMBER = re.compile(r"\d+")


def uncut(lines: list[str]) -> list[str]:
    """*lines*, those that were cut at the width of a terminal together with what they went on with.

    Two lines of different words that are exactly as long as the longest tell that they were cut, or
    one at a usual width.
    """
    width = max(map(len, lines))
    if not NARROWEST <= width <= WIDEST or len(lines) < 2:
        return lines
    full = {_NUMBER.sub("", line) for line in lines[:-1] if len(line) == width and _tells(line)}
    if not full or (len(full) < 2 and width not in USUAL):
        return lines
    found, goes_on = [lines[0]], len(lines[0]) == width and _tells(lines[0])
    for line in lines[1:]:
        if goes_on and line and len(found[-1]) < LONGEST and not _BEGINS.match(line):
            found[-1] += line
        else:
            found.append(line)
        goes_on = len(line) == width and _tells(line)
    return found


def _tells(line: str) -> bool:
    """Whether a line says something, and is no ruler, nor a row whose last column stands apart."""
    if "   " in line[-COLUMN:].rstrip():
        return False
    return line[-1:].isalnum() or len(set(line[-4:])) > 1


def unfolded(line: str) -> list[str]:
    """The lines of which *line* was made, if it was made of several; none of a blank one."""
    if not line.strip():
        return []
    if line.count(":") > 3 or "] " in line:  # two times
        line = "\n".join(_records(line))
    if line.count(":  ") + line.count(": ") > 1 and len(_PARTS_OF.findall(line)) > 1:
        line = _PARTS_OF.sub("\n", line)
    if "Traceback (most recent" in line:
        line = _PYTHON_FRAME.sub("\n", line)
    if line.count(" at ") > 1 and _CALLED.search(line):
        line = _THROWN.sub("\n", line, count=1)
        line = _CALLED.sub("\n    ", line).replace("\n    Caused by: ", "\nCaused by: ")
    return line.split("\n")


def _records(line: str) -> Iterator[str]:
    begins = 0
    for found in _RECORD.finditer(line):
        if found.start() - begins >= _SHORTEST:
            yield line[begins : found.start()]
            begins = found.end()
    yield line[begins:]
