"""Whole records: the line with the mark, what it continues, and what continues it.

A record begins with a line that stands for itself, and goes on with the lines that cannot: what is
indented, causes, frames, the blank lines inside a trace. The forms are those of Python, Java,
Node, Go, PHP, Ruby, Rust and .NET.
"""

import re
from typing import List, NamedTuple, Tuple

LONGEST = 256 << 10
"""Bytes of a record; what continues it beyond is left."""

KEPT = 32 << 10
"""Bytes of a record that are kept: its beginning and its end."""

BACK = 16 << 10
"""Bytes before a block that are kept, for what a record continues and for its context."""

AROUND = 1500
"""Bytes of context, before and after."""

CONTEXT_LINES = 5

_EXCEPTION = rb"[A-Za-z_][\w.$\\]*(?:Error|Exception|Throwable|Exit|Interrupt|Warning|Failure)"

# One line that belongs to what stands above it, without its newline.
_CONTINUED = (
    rb"(?:[ \t][^\n]*"
    rb"|Caused by[: ][^\n]*|Suppressed: [^\n]*|\.\.\. \d+ (?:more|common)[^\n]*"
    rb"|(?:at|from) [^\n]*[:(][^\n]*\d\)?"  # frames without indentation
    rb"|#\d+ [^\n]*|Stack trace:[^\n]*|stack backtrace:[^\n]*|note: [^\n]*|\[stacktrace\][^\n]*"
    rb"|goroutine \d+ \[[^\n]*|created by [^\n]*|\[signal [^\n]*|exit status \d+"
    rb"|[\w./*()\[\]{}-]+\([^\n]*\)(?=\n\t/)"  # a frame of Go, above its place
    rb"|[\w./-]+\.(?:rb|erb|rake|ru):\d+:in [^\n]*"
    rb"|\[(?:SQL|parameters|cause)[: ][^\n]*|\(Background on this error[^\n]*"
    rb"|[})\]]+[;,]?|Node\.js v\d[^\n]*|\^+"
    rb"|---[>-][^\n]*|End of (?:inner )?exception[^\n]*"
    rb"|" + _EXCEPTION + rb"(?::[^\n]*)?(?=\n[ \t]+at ))"
)
# A trace of Python: frames, the exception, and the trace of which it is the consequence.
_PYTHON = (
    rb"Traceback \(most recent call last\):[^\n]*\n(?:[ \t|+][^\n]*\n)*[^\s][^\n]*\n"
    rb"(?=(?:\n(?:During handling of|The above exception))?)"
)
_CHAIN = rb"\n?(?:During handling of|The above exception)[^\n]*\n\n?"  # the journal drops blanks
_INSIDE = (
    rb"\n(?=goroutine \d+ \[|Node\.js v\d|[\w./-]+\.rb:\d+:in |\(Background on"
    rb"|(?:\w+[.\w]*)?(?:Error|Exception)\b[^\n]*\n[ \t]+at )"
)
_REST = re.compile(
    rb"(?:"
    + _CONTINUED
    + rb"\n|"
    + _CHAIN
    + rb"(?=Traceback)|"
    + _PYTHON
    + rb"|"
    + _INSIDE
    + rb")*"
)
_PANICKED = re.compile(rb"[^\n]*\bpanicked at [^\n]*:\n[^\s][^\n]*\n")
_TRACEBACK = re.compile(rb"(?:" + _PYTHON + rb"(?:" + _CHAIN + rb")?)+")
_CONTINUES = re.compile(_CONTINUED + rb"\n")
_OPENS = re.compile(
    rb"Traceback \(most recent call last\):|[\w./-]+\.rb:\d+:in [^\n]*\([\w:]+\)\n|"
    + _EXCEPTION
    + rb"(?::[^\n]*)?\n[ \t]+at "
)
_OPEN_END = re.compile(
    rb"Traceback \(most recent call last\):[^\n]*\n(?:[ \t|+][^\n]*\n)*\Z"
    rb"|\n(?:During handling of|The above exception)[^\n]*\n\n?\Z"
)
_MAY_GO_ON = re.compile(
    rb"\n[^\n]|:\n|[a-z]Error\b|exception|traceback|throwable|panic|uncaught|unhandled|fatal error"
    rb"|stack trace|Exception|Traceback|Throwable|Uncaught|Unhandled|Fatal error|Stack trace"
)


class Record(NamedTuple):
    """What was found, with some bytes around it; *place* is where it begins in its source."""

    text: bytes
    before: bytes
    after: bytes
    place: int


def spans(data: bytes, start: int, end: int, hits: List[int]) -> List[Tuple[int, int]]:
    """Beginning and end of the record around each hit; what is before *start* was told before."""
    found: List[Tuple[int, int]] = []
    floor = start
    for hit in hits:
        if hit < floor:
            continue
        line = data.rfind(b"\n", floor, hit) + 1 or floor
        first = _head(data, floor, line)
        last = _end(data, first, end)
        if last <= hit:  # what seemed to be continued has ended before
            first, last = line, _end(data, line, end)
        if first > floor or not floor or not _CONTINUES.match(data, first, end):
            found.append((first, last))  # else it continues a record that was told before
        floor = last
    return found


def may_go_on(data: bytes, span: Tuple[int, int]) -> bool:
    """Whether a record has, or announces, more than its line: what is thrown is often written line
    by line, while loggers write what they have to say in one piece."""
    return _MAY_GO_ON.search(data, *span) is not None


def open_ended(data: bytes, span: Tuple[int, int]) -> bool:
    """Whether a record plainly lacks its end: a trace without its exception."""
    return _OPEN_END.search(data[max(span[0], span[1] - LONGEST) : span[1]]) is not None


def _head(data: bytes, floor: int, line: int) -> int:
    """The beginning of the line that *line* continues; *line* itself if it stands for itself."""
    if _STANDS.match(data, line):
        return line
    place, lowest = line, max(floor, line - BACK)
    while place > lowest:
        opens = _OPENS.match(data, place)
        if not opens and not _CONTINUES.match(data, place) and not _blank_inside(data, place):
            break
        above = data.rfind(b"\n", lowest, place - 1) + 1 or lowest
        if opens and data[above:place] == b"\n" and above > lowest:
            above = data.rfind(b"\n", lowest, above - 1) + 1 or lowest
        if opens and not _announces(data, above, place):
            break
        place = above
    above = data.rfind(b"\n", lowest, max(lowest, place - 1)) + 1 or lowest
    return above if above < place and _PLACE.match(data, above, place) else place


def _blank_inside(data: bytes, place: int) -> bool:
    """Whether the line above is the blank one that Node puts between source and error."""
    return data[place - 2 : place] == b"\n\n" and data[max(0, place - 4) : place - 1].strip() in (
        b"^",
        b"^^",
        b"^^^",
    )


def _announces(data: bytes, above: int, place: int) -> bool:
    """Whether the line above a trace is the log line that it belongs to."""
    line = data[above:place]
    return _LOG_LINE.match(line) is not None and not _CALM.search(line[:100])


_LOG_LINE = re.compile(
    rb"[\[<(]?\d{2,4}[-/:.]|[\[<{]|[A-Z][a-z]{2} [ \d]\d "
    rb"|(?:ERROR|CRITICAL|FATAL|WARN|INFO|DEBUG|SEVERE)\b"
    rb"|[a-z]+=|[EFWI]\d{4} "
)


_STANDS = re.compile(rb"[\d{<]|[A-Z][a-z]{2} [ \d]\d ")
"""How most lines begin that stand for themselves; asked first, as it is quick."""

_CALM = re.compile(rb"\b(?:INFO|DEBUG|TRACE|NOTICE)\b")
_PLACE = re.compile(rb"(?:file://)?/[^\s:]+:\d+\n")


def _end(data: bytes, first: int, end: int) -> int:
    limit = min(end, first + LONGEST)
    quoted = _PLACE.match(data, first, limit)
    first = quoted.end() if quoted else first
    place = data.find(b"\n", first, limit) + 1 or limit
    announces = data[place - 2 : place] == b":\n"
    if not announces and _STANDS.match(data, place):
        return place
    found = _TRACEBACK.match(data, first, limit)
    if announces and not found:
        found = _PANICKED.match(data, first, limit)
    rest = _REST.match(data, found.end() if found else place, limit)
    return rest.end() if rest else place


def record(data: bytes, span: Tuple[int, int], end: int, place: int) -> Record:
    """The record of a span, with what stands around it."""
    first, last = span
    return Record(
        text=clipped(data[first:last]),
        before=data[max(0, first - AROUND) : first],
        after=data[last : min(end, last + AROUND)],
        place=place,
    )


def lines_before(text: bytes) -> bytes:
    """The last lines of what stands before a record; the first may be cut, so it is left out."""
    return b"\n".join(text.split(b"\n")[1:][-CONTEXT_LINES - 1 : -1])


def lines_after(text: bytes) -> bytes:
    """The first lines of what stands after a record."""
    return b"\n".join(text.split(b"\n")[:CONTEXT_LINES]).rstrip(b"\n")


def clipped(text: bytes) -> bytes:
    """Beginning and end of a long record: the one says what, the other often why."""
    if len(text) <= KEPT:
        return text
    half = KEPT // 2
    return text[:half] + b"\n... %d bytes left out ...\n" % (len(text) - 2 * half) + text[-half:]
