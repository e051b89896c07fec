"""Entities: whatever in a line may be a name, and what stands around it.

A line is taken into its names: paths, addresses, units, settings, quoted words, values of keys.
Which of them is the culprit is weighed in `blame.py`.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from autoloop.core.reading.culprits import is_code, names_nothing
from autoloop.core.reading.tables import BEFOREHAND

LONGEST = 120
MOST = 60
"""Names of a line that are looked at."""

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s\"'`,;<>|，。；（）「」“”]{2,160}")
_HOST = re.compile(r"[\w+.-]+://(?:[^@/]{0,80}@)?([\w.-]+(?::\d+)?)")
_QUERY = re.compile(r"[?\\].*")
_WINDOWS = re.compile(r"\b[A-Za-z]:\\{1,2}[^\s\"'`,;<>|*?，。；（）「」“”:]{2,160}")
_QUOTED = re.compile(
    r"\"([^\"\n]{1,120})\"|(?<![A-Za-z0-9])'([^'\n]{1,120})'(?![A-Za-z])|`([^`'\n]{1,120})[`']"
    r"|“([^“”\n]{1,120})”|‘([^‘’\n]{1,120})’|「([^「」\n]{1,120})」|»([^»«\n]{1,120})«"
    r"|«([^»«\n]{1,120})»|【([^【】\n]{1,120})】"
)
_JOINED = re.compile(
    r"(?<!\w)([\"'`\[])[\w$-]{1,60}[\"'`\]](?:[.@][\"'`\[]?[\w.$%-]{1,60}[\"'`\]]?){1,3}"
)
_JOINS = tuple(quote + join for quote in "\"'`]" for join in ".@")
"""Quoted parts of one name: of a table in its database, of an account at its host."""

_QUOTES = re.compile(r"[\"'`\[\]]")
_BRACKETED = re.compile(r"\[([^\[\]\n\"']{2,80})\]|\(([^()\n\"']{2,80})\)|<([^<>\n\"']{2,80})>")
_FILLED = re.compile(
    r"%(?:\d\$)?[sdvq](?![\w%])|%\(\w{1,40}\)[sd]|[#$%]\{[^{}\n\"']{1,60}\}"
    r"|\{\{ ?[\w.]{1,40} ?\}\}|\{[A-Za-z_][\w.\[\]]{0,40}\}|(?<![:=\w])\{\d?\}(?![\w,}])"
)
"""What a template fills in."""

_BESIDE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@-")
_BEHIND = re.compile(r"[./_-][A-Za-z0-9_./-]{0,60}\w")

_TOKEN = re.compile(
    r"[^\s\"'`,;(){}\[\]<>=|，。；：！？、（）「」“”‘’【】《》»«\u3000\u4e00-\u9fff]{1,160}"
)
_ADDRESS = re.compile(r"/?((?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?)(?=[:#]|$)(?!:[\d/])")
"""An address with something behind it: what is said of it, or a port as name servers write it."""

_SAYS = re.compile(r"[^\W_]")
_WORD = re.compile(r"[A-Za-z_][\w.-]*|[\u4e00-\u9fff]{1,2}")
_TAG = re.compile(r"</?[a-zA-Z!][^<>\n]{0,60}>")
_OPEN, _CLOSE, _GAP = "\"'`“‘「»[(<{【", "\"'`])>}”’」】 \t,", "\"'`[(<>{“‘「【=:：, \t$@"

_ENDINGS = (
    "conf cfg ini yml yaml toml json xml cnf properties env tf sql py js ts tsx jsx go rs rb php "
    "java kt c cc cpp h cs vue htm html css scss pl pm ex exs sh log txt csv xls xlsx zip gz tar "
    "jar war so dll exe db sqlite sqlite3 pem crt key sock pid lock md lua dart swift scala "
    "gradle ibd rdb aof ldb whl R"
)
_KINDS = (
    ("word", r"[a-z]+"),
    ("Word", r"[A-Z][a-z]*"),
    ("number", r"[#-]?\d{1,12}"),
    ("place", r".{1,150}\.[A-Za-z]\w{0,9}(?::\d{1,6}){1,2}|[A-Z]\w{1,20}file:\d{1,6}"),
    ("frame", r"[\w./-]{1,150}\.[a-z]{1,4}:\d{1,6}:[A-Za-z][\w.*()]{0,80}"),
    ("ip:port", r"(?:\d{1,3}\.){3}\d{1,3}:\d{1,5}"),
    ("ip", r"(?:\d{1,3}\.){3}\d{1,3}(?:/\d{1,2})?"),
    ("amount", r"[+-]?\d[\d.,:%/-]*[A-Za-z%]{0,5}"),
    ("ipv6", r"[0-9a-fA-F]{0,4}:[0-9a-fA-F:]{0,34}:[0-9a-fA-F]{0,4}(?:/\d{1,3})?"),
    ("hex", r"0x[0-9a-fA-F]+|[a-f]{0,12}\d[0-9a-f]{6,64}"),
    ("version", r"v\d+(?:\.\d+)*"),
    ("mail", r"[\w.+\\/$-]+@[\w.-]+"),
    ("unit", r"[\w@.\\:-]+\.(?:service|socket|mount|timer|target|slice|scope)"),
    ("host:port", r"[A-Za-z][\w.-]{0,80}:\d{2,5}"),
    ("option", r"--?[A-Za-z][\w-]*"),
    ("path", r"[\w.@+%{}$:*~-]*/[\w.@+%{}$:*/-]*"),
    ("setting", r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+"),
    ("variable", r"\$\{?[\w.]+\}?"),
    (
        "exception",
        r"[\w.$:\\]*(?:Error|Exception|[a-z]Warning)|(?:[A-Z]\w*::)+[A-Z]\w*(?:Not|In)[A-Z]\w+",
    ),
    ("file", rf"[\w.@+-]*\w\.(?:{'|'.join(_ENDINGS.split())})(?:\.\d+)*"),
    ("method", r"[A-Za-z_][\w.:$#\\>-]*\(\)|[A-Za-z_]\w*(?:::|#|->)[\w:#>-]+"),
    ("class", r"(?:[a-z]\w*\.){2,8}[A-Z]\w*"),
    ("dotted", r"[A-Za-z_][\w-]*(?:\.[A-Za-z0-9_-]+)+"),
    ("snake", r"[A-Za-z][a-z0-9]*(?:_[A-Za-z0-9]+)+"),
    ("dashed", r"@?[A-Za-z]\w*(?:-\w+)+"),
    ("caps", r"[A-Z][A-Z0-9]+"),
    ("camel", r"[A-Za-z][a-z0-9]+(?:[A-Z][a-z0-9]*)+"),
    ("named", r"[A-Za-z]+\d\w*"),
)
"""What a name may be by its looks; the first that fits."""

JSON_KEY = "json key"
"""The kind of what names a value in JSON, and nothing else."""

PLACEHOLDER = "placeholder"
"""The kind of what stands for a name in a template."""

_KIND = re.compile("|".join(f"({pattern})" for _, pattern in _KINDS))

_KEY = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
"""What may be the contents of a key, and no name."""


_THROWN = re.compile(
    r"[$%({]{0,2}(?:_?e|ex|exc|err|error|exception|msg|message|cause|reason|details?|v)"
    r"(?:\.(?:message|msg|code|error|stack))?[)}]{0,2}[sdr]?",
    re.I,
)
"""Where a template puts what was thrown: in a message of source code, ``{exc}`` names nothing."""


class Entity(NamedTuple):
    """A name: where it stands in its line, its kind, and the words and signs around it.

    *last* tells that nothing but signs follows in the line.
    """

    text: str
    start: int
    end: int
    kind: str
    quote: str
    before: str
    sign: str
    after: str
    last: bool


@cache
def wordings() -> frozenset[str]:
    """Words that complaints are made of, and so are seldom names."""
    return frozenset((BEFOREHAND / "wordings.txt").read_text(encoding="utf-8").split())


CALLED = frozenset(
    re.findall(
        r"\w+",
        "for user account role service process task table column host job container pool named "
        "called zone queue index database program daemon command module package topic node",
    )
)
"""Words behind which a name stands, even if it is a word as any."""


_STATUS = re.compile(r"[45]\d\d")
_STATUS_OF = frozenset({"code", "error", "http", "response", "status", "statuscode", "码"})
"""A status, and the words that stand before one."""

_LEVELS = frozenset(
    re.findall(r"\w+", "ERROR ERR WARN WARNING FATAL CRITICAL SEVERE ALERT EMERG INFO DEBUG NOTICE")
)
"""What a line begins with, and names nothing."""


def _says_nothing(text: str, line: str, start: int, end: int) -> bool:
    """Whether it is a word as any, and nothing sets it off from the words around it."""
    if not text.isalpha() or (start and line[start - 1] != " "):
        return False
    if len(text) < 3 and not (text.isupper() and len(text) == 2):
        return True
    if not text.islower() and not text[1:].islower() and not text.isupper():
        return False
    called = line[:start].rsplit(maxsplit=1)[-1:]
    is_called = bool(called) and called[0].lower() in CALLED
    if text.lower() not in wordings() or line[end : end + 1] not in ("", " ", ".", ","):
        return text in _LEVELS or (names_nothing(text) and not is_called)
    return not is_called or names_nothing(text)


def _is_thrown(text: str, before: str) -> bool:
    """Whether it is the place of an exception in a template, with its sign or just *before* it."""
    marked = text.startswith(("{", "$", "%")) or before.endswith(("{", "%", "%("))
    return marked and bool(_THROWN.fullmatch(text))


@lru_cache(maxsize=4096)
def kind_of(text: str) -> str:
    """What a name is by its looks."""
    found = _KIND.fullmatch(text)
    if found and found.lastindex:
        return _KINDS[found.lastindex - 1][0]
    return "phrase" if " " in text else "other"


@lru_cache(maxsize=256)
def entities(line: str) -> tuple[Entity, ...]:
    """The names in *line*, in their order."""
    if "</" in line or "<!" in line:
        line = _TAG.sub(lambda found: " " * len(found[0]), line)
    spans: dict[tuple[int, int], str] = {}
    whole = []
    for found in _URL.finditer(line) if "://" in line else ():
        text = _QUERY.sub("", found[0]).rstrip(".:)]}!?,")
        spans[found.start(), found.start() + len(text)] = "url"
        whole.append(found.span())
        if host := _HOST.match(text):
            start = found.start() + host.start(1)
            spans[start, start + len(host[1])] = ""
    for found in _WINDOWS.finditer(line) if ":\\" in line else ():
        spans[found.start(), found.start() + len(found[0].rstrip(".:)]}!?,"))] = "path"
        whole.append(found.span())
    for found in _JOINED.finditer(line) if any(join in line for join in _JOINS) else ():
        spans[found.span()] = "joined"
        whole.append(found.span())
    filled = _placeholders(line) if "{" in line or "%" in line else []
    spans |= dict.fromkeys(filled, PLACEHOLDER)
    whole += filled
    for pattern in (_QUOTED, _BRACKETED):
        for found in pattern.finditer(line):
            start, end = found.span(found.lastindex or 0)
            if not any(begin < start and end < last for begin, last in filled):
                spans.setdefault((start, end), JSON_KEY if _is_key(line, start, end) else "")
    for found in _TOKEN.finditer(line):
        start = found.end() - len(found[0].lstrip(":*!?&%"))
        end = found.start() + len(found[0].rstrip(".:!?…*-"))
        if start < end and not any(begin <= start < last for begin, last in whole):
            first = line[start]
            if (first.isdigit() or first == "/") and (at := _ADDRESS.match(line, start, end)):
                start, end = at.span(1)
            spans.setdefault((start, end), "")
    return tuple(_entities(line, sorted(spans.items())[:MOST]))


def _is_key(line: str, start: int, end: int) -> bool:
    """Whether the quoted word between *start* and *end* is the key of a value in JSON."""
    return line.startswith('":', end) and line[: start - 1].rstrip()[-1:] in "{,"


def _placeholders(line: str) -> list[tuple[int, int]]:
    """Where a template puts names: what it fills in, with what stands directly beside it."""
    found: list[tuple[int, int]] = []
    for filled in _FILLED.finditer(line):
        start, end = filled.span()
        while start and line[start - 1] in _BESIDE:
            start -= 1
        if found and start <= found[-1][1]:
            start = found.pop()[0]
        behind = _BEHIND.match(line, end)
        found.append((start, behind.end() if behind else end))
    return found


def _entities(line: str, spans: list[tuple[tuple[int, int], str]]) -> Iterator[Entity]:
    for (start, end), kind in spans:
        if kind == JSON_KEY:
            continue
        text = line[start:end].strip().rstrip(":")
        if kind == "joined":
            text, kind = _QUOTES.sub("", text), ""
        if _says_nothing(text, line, start, end) or _is_thrown(
            text, line[max(start - 2, 0) : start]
        ):
            continue
        if (
            not (text[:1].isalnum() or kind == PLACEHOLDER or _SAYS.search(text))
            or len(text) > LONGEST
            or (_KEY.fullmatch(text) and kind_of(text) == "other")
            or (line[start - 1 : start] == "[" and text.isupper() and names_nothing(text))
            or is_code(text)
            or (text.isdigit() and line[end : end + 1] == "." and not line[:start].strip(" #*-"))
        ):
            continue
        left = start
        while left and line[left - 1] in _GAP:
            left -= 1
        words = _WORD.findall(line, max(0, left - 24), left) if left else []
        near = words and (line[left - 1].isalnum() or line[left - 1] == "_")
        if near and _STATUS.fullmatch(text) and words[-1][-10:].lower() in _STATUS_OF:
            continue
        right = end
        while right < len(line) and line[right] in _CLOSE:
            right += 1
        found = _WORD.match(line, right)
        yield Entity(
            text=text,
            start=start,
            end=end,
            kind=kind or kind_of(text),
            quote=line[start - 1] if start and line[start - 1] in _OPEN else "",
            before=words[-1].lower() if near else "",
            sign="".join(sorted(set(line[left:start].replace(" ", "").replace("\t", "")))),
            after=found[0].lower()[:16] if found else line[right : right + 1],
            last=not line[end:].strip(" \"'`.)]}>;,"),
        )
