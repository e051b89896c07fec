"""Culprits: the entity a line is about, where the signature itself did not name it."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

from autoloop.core.reading.patterns import clues, compiled, may_match
from autoloop.core.reading.plain import plain
from autoloop.core.reading.tables import table
from autoloop.core.redact import redact

LONGEST = 160
HELD = 4
"""Lines that hold a culprit of which it is asked whether they hide it."""

NEAR, STATED_NEAR = 3, 12
"""Lines off the one that tells, in which its culprit is looked for; and what states it."""


_TRIM = " \t'\"`,;()[]<>「」“”‘’（）【】，。；"

PLACES = {"CONFIG.invalid_config_file", "SERVICE.memory_leak"} | {
    f"CODE.{each}_error" for each in ("syntax", "runtime", "encoding", "logic")
}
"""Causes that lie at a line of a file."""

TELLING = ("LOGIN.", "SERVICE.dns_failure", "SERVICE.port_blocked", "CONFIG.env_missing", "CODE.")
"""How the names of those causes begin whose patterns are right as often as what is weighed."""


_FRAME = re.compile(r"\s*at (?:(?:async |new )?[^\s()]{1,200} ?[(\[]|\S{1,200}:\d)")
WELL = re.compile(r"\bsession (?:opened|closed) for ")
"""What names somebody else, with whom all went well."""


_FILE = r"(?P<f>[A-Z]\w{0,20}file|[\w./~@+-]{0,160}[\w-]\.[A-Za-z]\w{0,9}|/[\w./~@+-]{2,160})"
_PLACED = tuple(
    re.compile(pattern)
    for pattern in (
        _FILE + r"[\"'`)]? ?:(?P<n>\d{1,6})\b",
        _FILE + r"[\"'`)]?[:,]? (?:on |at |in )?(?:line|行|第)[ :]{0,2}(?P<n>\d{1,6})\b",
        r"(?i)\bline (?P<n>\d{1,6}),? (?:of|in)(?: file)? [\"'`]?" + _FILE,
        r"(?P<f>[\w./\\:-]{1,200}\.php) (?P<n>\d{1,6})$",
    )
)

_BEGAN = re.compile(r"while (?:parsing|scanning|constructing) an? ")
_RUNTIME = re.compile(r"\(?node:internal/[\w./-]{1,120}:\d{1,6}(?::\d{1,6})?\)?")

_ADDRESS = r"(?<![\w.:])(?:(?:\d{1,3}\.){3}\d{1,3}|\[[\da-f:]{2,40}\]|localhost|\*)"

ANSWERED = {"CONFIG.wrong_port", "DATABASE.connection_error"} | {
    f"SERVICE.{each}" for each in ("dns_failure", "service_down", "timeout", "tls_certificate")
}
"""Causes that lie with the host that an address names, whatever was asked of it."""

OF_COLUMNS = frozenset({"DATABASE.schema_mismatch", "CODE.encoding_error", "CODE.logic_error"})
"""Causes that lie with a column."""

_COLUMN = re.compile(r"[A-Za-z_]\w{0,40}")
_CALLED_COLUMN = re.compile(r"(?i)\b(?:column|field)[ '\"`\\(]{1,4}(\w{1,41})")
_STATEMENT = re.compile(
    r"(?i)\b(?:insert (?:ignore )?into|replace into|delete from|alter table(?: only)?"
    r"|update(?= \S{1,80} set\b)|select\b[^\n;]{1,300}?\bfrom) {1,4}[`\"\[]?([A-Za-z_][\w.]{0,60})"
)
"""A statement and the first table that it names."""

LONG_ADDRESS = 40
"""Characters of an address of which more hide its host, which is what does not answer."""

_AT_HOST = re.compile(r"[a-z]{2,8}://(?!unix:)[^/\s\\]{1,120}")

_FILE_NAME = re.compile(r"[\w@+-]{1,60}(?:\.[\w-]{1,20}){1,3}")
_FOLDER = r"(?<![\w.:/-])(?:~|\.{1,2})?(?:/[\w.@+-]{1,60}){0,12}/"

_NO_NAMES = frozenset(
    re.findall(
        r"\w+",
        "a active also an and any api are at be been by can cause class code connect connection "
        "container could crit critical daemon data database debug does error errors exception "
        "exist exists failed failure false fatal field file for found from function get given "
        "has have here host http https id in info instance into invalid is it its job key level "
        "line list local log main many max may mismatch must maximum message method missing msg "
        "name new no not notice null object of on or out password path process property remote "
        "request required response running sandbox server service set should socket some "
        "specified status string system table tcp that the their them this time to token true "
        "ts type undefined unknown user using valid value warn warning was we web when while "
        "with worker you your account auth authentication client denied login pam_unix peer up "
        "down off gone ended exited preauth utc gmt cet cest gib mib kib read write files details "
        "before after during sql values reason started finished restart skipped ago within "
        "contents via primary accept accept4 pipe2 eventfd insert update delete select "
        "as due nor neither "
        "后端服务 前端服务 该服务 此服务 本服务 目标服务 远程服务 系统服务 相关服务",
    )
)
"""Words that patterns may take for a name."""


_NONE_NAMED = re.compile(
    r"object\.assign|x\d{1,6}|[\w.$:]*(?:error|exception|warning|emergency|critical|fatal)s?|"
    r"[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|"
    r"(?:https?|mozilla|applewebkit|chrome|safari|gecko|firefox)/[\d.]+|hy\d{3}(?:/\d{4})?|\d\d[a-z]\d\d|"
    r"(?:ora|tns|pls|rman|my|ah|amq|cpf|ij|iw|mq|sqlstate)-?\d{4,6}[a-z]?|"
    r"eai_[a-z]{4,8}|e(?:notfound|conn(?:refused|reset|aborted)|timedout|hostunreach|netunreach"
    r"|acces|perm|noent|exist|addrinuse|addrnotavail|mfile|nfile|nospc|rofs|pipe)|"
    r"[\w./-]{1,120}:(?:na|\?)|req-[\da-f-]{36}|(?:\\x[\da-f]{2}){1,40}|"
    r"segmentation fault|start-limit-hit|due to \S.{0,120}|"
    r"net::err_\w{2,60}|and/or|e\.g|i\.e|nonetype|"
    r"gmt[+-]\d\d:?\d\d|0x[\da-f]{8}/\d{4,5}|"
    r"x509|(?:non-)?superuser|(?:within|after) \S{1,20}|back-?off|pam_unix|\d{1,3}(?:\.\d{1,3})?%|"
    r"\d{1,6} tests? \w{4,10}|number:[\w./-]{1,120}\.c:\d{1,6}|"
    r"(?:info|warn|warning|error|fatal|debug|err)/[\w-]+|[\w-]+/(?:info|warn|error|fatal|debug)|"
    r"\d{1,7}#\d{1,7}|\d{1,6}[kmgt]i?b?/\d{1,6}[kmgt]i?b?|0x[c8][\da-f]{7}|"
    r"(?:console|logg(?:er|ing)|log)\.(?:error|warn(?:ing)?|info|debug|log|exception|critical|fatalf?)|"
    r"fmt\.(?:errorf|s?printf?|println)|errors\.(?:new|wrapf?|is|as)|(?:process|sys|os)\.exit|"
    r"e(?:rr|rror|x)?\.(?:name|message|code|stack|msg)|res(?:p|ponse)?\.(?:status|json|send|end)|"
    r"\d{1,3}/[a-z-]{3,20}|\d{1,2}[/-][a-z]{3}[/-]\d{2,4}:?|[ewifd]\d{4}|"
    r"(?-i:(?:java|javax|sun)(?:\.[a-z]{1,20}){1,3})",
    re.I,
)
"""Names of exceptions, of the system's errors, of channels of logs, of requests and of contents, of
what code calls to tell of trouble; numbers of messages, protocols and browsers."""


_LEADS = (" for", " of", " to", " in", " on", " with", " from", " at", " by", " as", " the", " a")
"""What a name stands behind, which was left out."""


@cache
def _patterns() -> dict[str, tuple[str, ...]]:
    return {name: tuple(patterns) for name, patterns in table("culprits").items()}


@cache
def _stating() -> dict[str, tuple[str, ...]]:
    """The patterns of wordings that state their culprit; beside each stands a sample."""
    return {name: tuple(row[0] for row in rows) for name, rows in table("stated").items()}


def stated(name: str, lines: list[str], line: int) -> str:
    """What the very wording of *line* says to be the culprit of a cause; else empty."""
    return _first(_stating().get(name, ()), lines[line])


def stated_near(name: str, lines: list[str], line: int) -> str:
    """As `stated`, of the line and of those near it."""
    patterns = _stating().get(name, ())
    return _first(patterns, lines[line]) or _beside(patterns, lines, line, STATED_NEAR)


def opinions(name: str, lines: list[str], line: int, hint: str = "") -> Iterator[tuple[str, str]]:
    """What each kind of patterns takes for the culprit, with the name of that kind: those of the
    cause in the line itself or near it, what a broad signature took, those of the class."""
    family, known = name.split(".")[0], _patterns()
    if found := _first(known.get(name, ()), lines[line]):
        yield "cause", found
    elif found := _beside(known.get(name, ()), lines, line):
        yield "near", found
    if found := named(hint):
        yield "hint", found
    found = _first(known.get(family, ()), lines[line])
    if found or (family == "LOGIN" and (found := _beside(known[family], lines, line))):
        yield "class", found


def in_full(number: str, line: str, beside: Sequence[str] = ()) -> str:
    """*number* as *line* tells it, a line and a table with that word; or as it or one *beside* it
    does, a port with its address."""
    if not number.isdigit():
        return number
    for each in (line, *beside):
        port = rf"{_ADDRESS}:{number}(?![\w.])"
        if f":{number}" in each and (found := re.search(port, each)):
            return found[0]
    found = re.search(rf"(?:\b(?:[Ll]ine|relation)|第) {number}\b(?: ?行)?", line)
    return found[0] if found else number


def of_table(column: str, name: str, lines: Sequence[str]) -> str:
    """*column* with its table, where cause *name* is of data, a line says that it is a column, and
    the statements in *lines* name one table."""
    if name not in OF_COLUMNS or not _COLUMN.fullmatch(column):
        return column
    told = (found[1] for line in lines for found in _CALLED_COLUMN.finditer(line))
    if column not in told:
        return column
    tables = {found[1] for line in lines for found in _STATEMENT.finditer(line)}
    if len(tables) != 1 or column in tables:
        return column
    return f"{tables.pop()}.{column}"


def at_host(culprit: str, name: str) -> str:
    """*culprit* without the path of a long address, where cause *name* is of who answers there."""
    if name not in ANSWERED or len(culprit) <= LONG_ADDRESS:
        return culprit
    found = _AT_HOST.match(culprit)
    return found[0] if found else culprit


def completed(name: str, line: str) -> str:
    """The name of a file with the folder that stands before it in *line*."""
    if _FILE_NAME.fullmatch(name) and f"/{name}" in line:
        found = re.search(_FOLDER + re.escape(name) + r"(?![\w./-])", line)
        return found[0] if found and len(found[0]) <= LONGEST else name
    return name


def vague(name: str, told: str, text: str) -> bool:
    """Whether a signature's word for the culprit of cause *name* is only a hint: what describes a
    unit that *text* names, what was asked of a backend that is gone."""
    if name == "SERVICE.upstream_unreachable":
        return told.startswith("/") and not told.endswith(".sock")
    return name == "SERVICE.service_down" and " " in told and ".service" in text


def agreed(thought: tuple[tuple[str, str], ...]) -> str:
    """What the patterns of the cause and those of its class say both; else empty."""
    said = dict(thought)
    return said.get("cause", "") if said.get("cause") == said.get("class") else ""


def _beside(patterns: tuple[str, ...], lines: list[str], line: int, reach: int = NEAR) -> str:
    """What *patterns* find in the lines at most *reach* lines off, the next first."""
    if not patterns:
        return ""
    away = (line + step * side for step in range(1, reach + 1) for side in (1, -1))
    asked = (n for n in away if 0 <= n < len(lines) and not _elsewhere(lines[n]))
    return next(filter(None, (_first(patterns, lines[n]) for n in asked)), "")


def _elsewhere(line: str) -> bool:
    """Whether a line near a complaint names what has no part in it: a frame, somebody else."""
    return bool(_FRAME.match(line) or WELL.search(line))


def place_near(lines: list[str], line: int) -> str:
    """The file and the line in it that *line* or one of the next three speaks of, or the one before
    where that announces it; else empty."""
    first = line - 1 if line and lines[line - 1].rstrip().endswith(":") else line
    near = [plain(each) for each in lines[first : line + NEAR + 1]]
    if _BEGAN.match(near[0]):  # PyYAML tells where it began to read, then where it was stopped
        near.reverse()
    return next(filter(None, map(place_in, near)), "")


def place_in(line: str) -> str:
    """The file and the line in it that *line* speaks of, as ``file:number``; else empty."""
    if "node:internal/" in line:  # the runtime's own frames
        line = _RUNTIME.sub("", line)
    low = line.lower()
    for pattern in _PLACED:
        if may_match(pattern.pattern, line, low) and (found := pattern.search(line)):
            return f"{found['f']}:{found['n']}"
    return ""


def _first(patterns: tuple[str, ...], line: str) -> str:
    low = "" if "\u017f" in line or "\u212a" in line else line.lower()
    for pieces, pattern in _clued(patterns):  # as `may_match`, without a call for each of them
        if pieces and low:
            for piece in pieces:
                if piece in low:
                    break
            else:
                continue
        found = compiled(pattern).search(plain(line))
        if found and (culprit := taken(found)):
            return culprit
    return ""


def taken(found: re.Match[str]) -> str:
    """The name that a pattern found; its group is called "n" where any word is one. Before it comes
    its table, behind it its address, in brackets, and its port, if "t", "i" and "p" found them."""
    told = found.groupdict()
    name = trimmed(told["n"]) if told.get("n") else named(told.get("c") or "")
    if name and told.get("t"):
        name = f"{told['t']}.{name}"
    if name and told.get("i"):
        name = f"{name} ({told['i']})"
    return f"{name}:{told['p']}" if name and told.get("p") else name


@cache
def _clued(patterns: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Each of *patterns* with the pieces of which a line of ASCII needs one."""
    return tuple((clues(each), each) for each in patterns)


def shown(culprit: str, excerpt: str, lines: Sequence[str]) -> str:
    """*culprit* as it may be shown: without what is hidden in the first of *lines* that hold it;
    *excerpt* is redacted."""
    if culprit in excerpt:
        return culprit
    hidden, held = redact(culprit), (line for line in lines if culprit in line)
    return hidden if all(hidden in redact(line) for line in islice(held, HELD)) else ""


def trimmed(text: str) -> str:
    """Without the quotes and brackets around it, and without the query of an address."""
    text = text.strip(_TRIM).rstrip(".:")
    if "://" in text:
        text = text.split("?", 1)[0]
    if "\\_" in text and text.count("\\") == text.count("\\_"):  # as Markdown needs it
        text = text.replace("\\_", "_")
    if "]:" in text and "[" not in text:
        text = f"[{text}"
    for begin, end in ("()", "[]"):
        if text.count(begin) > text.count(end):
            text += end
    return text if len(text) <= LONGEST else ""


def named(text: str) -> str:
    """As `trimmed`; empty where it is a word, a request's number or an exception, and no name."""
    text = trimmed(text)
    return "" if names_nothing(text) else text


def is_code(text: str) -> bool:
    """Whether it is a code, the name of an exception, a channel or a version, and never a name."""
    return bool(_NONE_NAMED.fullmatch(text))


def names_nothing(text: str) -> bool:
    """Whether it is a word, a request's number or an exception, and no name."""
    return text.lower() in _NO_NAMES or is_code(text) or text.endswith(_LEADS)
