"""Stack traces: the exception that began it, the ones that carry it on, and one's own frame."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from autoloop.core.reading.excerpt import Excerpt

_PYTHON = re.compile(
    r'^(?:E |\d[\d:T.,/ -]{7,40}[^"\n]{0,60}[\]:] {1,8})?[\s|+>-]*[\'"`]?\s*'
    r'File "([^"]+)", line (\d+)(,? in )?'
)
_QUOTED = r"^\s*(?:[\"'`]?(?:\\[nt]|\s)*)"
"""What stands before a frame; of a literal in source code, its quote and what it escapes."""

_JAVA = re.compile(_QUOTED + r"at ([\w.$/@<>-]+)\(([\w$]+\.(?:java|kt|scala|groovy)):(\d+)\)")
_JAVA_ANY = re.compile(_QUOTED + r"at [\w.$/@<>`-]+ ?\(|^\s*\.\.\. \d+ (?:more|common)")
_NODE = re.compile(r"^\s*at (?:.{0,200}\()?(?:file://)?([\w./@\\ :\[\]-]+?):(\d+):\d+\)?\s*$")
_NODE_HEAD = re.compile(r"^(?:file://)?(/?[\w./@\\:-]+\.[cm]?[jt]sx?):(\d+)$")
_GO = re.compile(r"^\s+(\S.{0,200}?\.go):(\d+)(?:\s|$)")
_GO_CALL = re.compile(r"^(?:created by )?[\w./()*-]{3,200}\((?:0x|\.\.\.|\{0x|\)$)|^created by ")
_PHP = re.compile(r" in (\S+\.php)(?::| on line )(\d+)")
_PHP_FRAME = re.compile(r"^\s*#\d+ (\S+\.php)\((\d+)\)")
_RUBY = re.compile(r"^\s*(?:from )?<?([\w./:-]+\.(?:rb|erb|ru|rake))>?:(\d+):in ")
_RUBY_TOLD = re.compile(r":in [`'].{1,120}': \S")
_RUST = re.compile(
    r"panicked at (?:.{0,200}, )?([\w./-]+\.rs):(\d+):\d+|^\s*--> ([\w./-]+):(\d+):\d+"
)
_DOTNET = re.compile(r"^\s*at .{1,300} in (.{1,200}):(?:line )?(\d+)\s*$")
_DOTNET_CALL = re.compile(
    r"^\s*at (?!System\.)(?:[A-Z]\w*\.){0,20}([A-Z]\w*)\."
    r"(?:<(\w+)>d__\d+\.MoveNext|([A-Za-z]\w*))(?:`\d)?[(\[]"
)
"""A method without its file, as .NET writes it where no symbols are; and one that waits."""

_ASP = re.compile(
    r"^\s{2,}(?!System\.)(?:[A-Z]\w*\.){1,20}([A-Z]\w*)\.([A-Za-z]\w*)\([^()]*\) \+\d"
)
"""A method as a page of ASP.NET shows it."""

_ELIXIR = re.compile(r"^\s+(?:\([\w. ]{1,60}\) )?([\w./-]{1,200}\.(?:exs?|erl)):(\d+): ")
_DART = re.compile(r"^#\d+\s.{1,200}\((?:file://|package:)?([\w./:-]+\.dart):(\d+)")

_FOREIGN = re.compile(
    r"site-packages|dist-packages|/lib/python\d|\\lib\\|<frozen|<string>|node_modules|^node:|"
    r"^internal/|^(?:assert|buffer|child_process|dgram|dns|events|fs|http|https|module|net|stream"
    r"|timers|tls|util|vm|_http_\w{2,20}|_stream_\w{2,20}|_tls_\w{2,20})\.js|"
    r"(?:^|/)go/src/|/pkg/mod/|(?:^|/)src/runtime/|(?:^|[/\\])vendor[/\\]|"
    r"/gems/|/ruby/\d|\.cargo/registry|/rustc/|^library/|^dart:|-patch/",
    re.I,
)
_STANDARD = re.compile(
    r"[/\\]lib[/\\](?:python\d[\d.]*[/\\])?(?!(?:site|dist)-packages|python\d)|<frozen", re.I
)
"""The path of a module that comes with Python."""

_FOREIGN_JAVA = re.compile(
    r"^(?:java|javax|jdk|sun|com\.sun|jakarta|kotlin|scala|groovy|reactor|feign|okhttp3|junit|rx|akka|"
    r"org\.(?!example)\w+|io\.(?:netty|grpc|vertx|micro\w*|quarkus|undertow|lettuce|reactivex|jsonwebtoken)|"
    r"com\.(?:zaxxer|mysql|mongodb|fasterxml|google|alibaba|microsoft|oracle|github|squareup|auth0|nimbusds"
    r"|amazonaws|netflix|baomidou|ibm|typesafe)|ch\.qos|net\.sf|cn\.hutool|redis\.clients)[./]"
)
Frame = tuple[str, Callable[[str], re.Match[str] | None]]
_FRAMES: tuple[Frame, ...] = (
    ("at ", _JAVA.match),
    (" in ", _DOTNET.match),
    ("at ", _NODE.match),
    ("js:", _NODE_HEAD.match),
    ("ts:", _NODE_HEAD.match),
    (".go:", _GO.match),
    (".php", _PHP.search),
    (".php(", _PHP_FRAME.match),
    (":in ", _RUBY.match),
    (".rs:", _RUST.search),
    ("--> ", _RUST.search),
    (".dart:", _DART.match),
    (".ex", _ELIXIR.match),
    (".erl:", _ELIXIR.match),
)
"""What a line holds that is a frame of a language, and the frame."""

_MARKS = ("at ", ".go:", ".rb:", ".rs:", ".php", ".dart:", ".ex", "caused by", ") +")
"""What a text holds that may have a trace, but for Python's."""

_CHAINED = re.compile(
    r"^[\s|]*(?:The above exception was the direct cause|During handling of the above exception)"
)
_CAUSED = re.compile(r"^\s*[\"'`]?(?:Caused by: |\[cause\]: | ?---> )")
_EXCEPTION = re.compile(
    r"^[\s|]*[\w.$]+(?:Error|Exception|Exit|Interrupt|Warning|Group)?\b(?:: |$)"
)


@dataclass(frozen=True, slots=True)
class Trace:
    """Lines by number: the deepest cause, what only passes it on, and the frames."""

    root: int | None = None
    wrappers: frozenset[int] = frozenset()
    frames: frozenset[int] = frozenset()
    own: str = ""


def foreign(place: str) -> bool:
    """Whether a path or a class is not of one's own code."""
    return bool(_FOREIGN.search(place) or _FOREIGN_JAVA.match(place))


def trace_of(excerpt: Excerpt) -> Trace:
    """The trace in an excerpt, of whatever language; empty where there is none."""
    low = excerpt.low
    if 'file "' in low and ", line " in low:
        return _python(excerpt.lines)
    for mark in _MARKS:
        if mark in low:
            return _other(excerpt)
    return Trace()


def _python(lines: list[str]) -> Trace:
    """The first exception of a chain is the cause; within a group, its first member."""
    frames: list[tuple[int, str, bool]] = []
    quoted: set[int] = set()
    for number, line in enumerate(lines):
        if found := _PYTHON.match(line):
            frames.append((number, f"{found[1]}:{found[2]}", not found[3]))
            quoted |= {number} | _source(lines, number)
    ends = [n for n, line in enumerate(lines) if _CHAINED.match(line)]
    limit = ends[0] if ends else len(lines)
    if any("exception group traceback" in line.lower() for line in lines) and not ends:
        inner = [n for n, line in enumerate(lines) if re.match(r"^\s*\+-\+?-+ 1 ", line)]
        frames = [f for f in frames if not inner or f[0] > inner[0]] or frames
    first = [frame for frame in frames if frame[0] < limit] or frames
    root = (
        next((n for n in range(first[-1][0] + 1, len(lines)) if n not in quoted), None)
        if first
        else None
    )
    told = {n for n, line in enumerate(lines) if n > (root or 0) and _EXCEPTION.match(line)}
    wrappers = told if ends else set()
    if any("most recent call first" in line for line in lines):  # as faulthandler writes them
        first = first[::-1]
    return Trace(root, frozenset(wrappers), frozenset(quoted), _own_python(first))


def _source(lines: list[str], number: int) -> set[int]:
    """The lines of source, and of carets, that follow a frame."""
    indent = len(lines[number]) - len(lines[number].lstrip(" |"))
    found = set()
    for next_ in range(number + 1, min(number + 4, len(lines))):
        line = lines[next_]
        deeper = len(line) - len(line.lstrip(" |")) > indent
        if not deeper or _PYTHON.match(line):
            break
        found.add(next_)
    return found


def _own_python(frames: list[tuple[int, str, bool]]) -> str:
    if not frames:
        return ""
    if frames[-1][2]:
        return frames[-1][1]
    places = [place for _, place, _ in frames]
    own = [place for place in places if not _FOREIGN.search(place)]
    installed = [place for place in places if not _STANDARD.search(place)]
    return (own or installed or places)[-1]


def _other(excerpt: Excerpt) -> Trace:
    lines, text = excerpt.lines, excerpt.text
    frames = [each for each in _FRAMES if each[0] in text]
    carried = "Caused by: " in text or "[cause]: " in text or "---> " in text
    caused = [n for n, line in enumerate(lines) if carried and _CAUSED.match(line)]
    root = caused[-1] if caused else None
    found = [(n, *frame) for n, line in enumerate(lines) if (frame := _frame(line, frames))]
    quoted = {n for n, line in enumerate(lines) if _JAVA_ANY.match(line)}
    quoted |= {n for n, _, _ in found if not _told(lines[n])}
    if "goroutine " in text:
        quoted |= {n for n, line in enumerate(lines) if _GO_CALL.match(line)}
    below = [f for f in found if root is None or f[0] >= root]
    own = next((place for _, place, own in below if own), "") or next(
        (place for _, place, own in found if own), ""
    )
    if not found and "   at " in text:
        own = next((_method(call) for call in map(_DOTNET_CALL.match, lines) if call), "")
    elif not found and ") +" in text:
        own = next((_method(call) for call in map(_ASP.match, lines) if call), "")
    first = next(iter(sorted(quoted)), 0)
    wrappers = {*caused[:-1], max(first - 1, 0)} if root is not None else set()
    return Trace(
        root, frozenset(wrappers), frozenset(quoted), own or (found[0][1] if found else "")
    )


def _method(call: re.Match[str]) -> str:
    return f"{call[1]}.{call[2] or call[3]}"


def _told(line: str) -> bool:
    """Whether a line tells the error itself and not only the way to it."""
    return bool(_PHP.search(line) or "panicked at" in line or _RUBY_TOLD.search(line))


def _frame(line: str, frames: list[Frame]) -> tuple[str, bool] | None:
    """The frame in a line, of one of *frames*, and whether it is one's own."""
    for mark, finds in frames:
        if mark in line and (found := finds(line)):
            if found.re is _JAVA:
                return f"{found[2]}:{found[3]}", not _FOREIGN_JAVA.match(found[1])
            path, number = (part for part in found.groups() if part is not None)
            return f"{path}:{number}", not _FOREIGN.search(path)
    return None
