"""An excerpt: the text as it is read, in bounded lines, each with the level its program gave it."""

import html
import json
import re
from enum import IntEnum
from functools import lru_cache
from itertools import accumulate

from autoloop.core.reading.folded import FOLDED, uncut, unfolded

CLIP = 256_000
"""Characters that are read; the middle of a longer text is left out."""

LINE_CLIP = 1_200
LINES = 500


class Level(IntEnum):
    """How serious the program that wrote a line found it."""

    DEBUG = -1
    CALM = 0
    NONE = 1
    WARN = 2
    ALARM = 3


_WORDS = {
    Level.DEBUG: "trace debug verbose fine finer finest debug1 debug2 debug3 dbg d v hint help tip "
    "10 7",
    Level.CALM: "info inf information informational notice note progress log success ok statement "
    "i 20 30 6 5",
    Level.WARN: "warn warning wrn w 40 4",
    Level.ALARM: "error err eror severe critical crit fatal ftl fail alert emerg emergency panic "
    "crash supervisor e f c 50 60 0 1 2 3",
}
_PASSED_ON = re.compile(r"[:=(\[\"'] ?(?:FATAL|PANIC): {1,2}\w|\bstderr=\[?(?:WARN|ERROR|FATAL)\b")
"""What another program said, in a line of one that only records it."""

_GIVES_REASON = re.compile(
    r"""(?:\bmsg=["']?|"msg": ?"|"message": ?"|\b(?i:info|notice)\b[\]:>| -]{1,4})"""
    r"(?i:failed to|unable to|could not|cannot) [^\n:]{3,160}: [A-Za-z]"
)
"""A message that begins with what failed and goes on with the reason: no information, whatever its
level."""

AMBIGUOUS = ("0", "1", "2")
"""Numbers of a "level" that is the gravest to some programs, and the least grave to others."""

_LEVELS = {word: level for level, words in _WORDS.items() for word in words.split()}
_LONG = "|".join(sorted((w for w in _LEVELS if len(w) > 2 and not w.isdigit()), reverse=True))
_JSON = re.compile(
    r'"(?:level|lvl|sev|severity|log\.level|levelname|loglevel|log_level|@l|priority|s)"'
    r'\s{0,3}:\s{0,3}"?([A-Za-z0-9]{1,13})',
    re.I,
)
_HEAD = re.compile(
    rf"\b(?:level|lvl|sev|severity|levelname|loglevel|priority)=[\"\[]?([A-Za-z]{{1,13}})"
    rf"|[\[<](?:[\w-]{{1,20}}:)?((?i:{_LONG}))\s*[\]>]"
    rf"|(?:^|[\s|:.\])])({_LONG.upper()}|WRN|DBG)(?=[\s:|\]\[,(/]|$)(?! (?:is|or|and|mode|flag) )"
    r"|(?:^|[\s|])(Debug|Info|Notice|Note|Warning|Error|Fatal|Panic|Alert|Critical):(?=\s|$)"
    r"|^((?i:debug[1-3]?|info|notice|note|warning|error|fatal|panic|alert|critical)):(?=\s|$)"
    r"|^\s*((?i:note|hint|help|tip)): "
    r"|, (Info|Warning|Error) {2,}"
    r"|^\s{0,8}[\w./-]{2,60}: (info|notice|debug): "
    r"|^([IWEF])\d{4} \d\d:\d\d"
    r"|(?:^|Z )([DIWE])! (?=\S)"
    r"|^([EW]): (?=\S)"
    r"|\[ID \d{1,8} \w{1,12}\.(emerg|alert|crit|err|error|warning)\]"
    r"|^([DIWEF]), \["
    r"|^([DIWEF])/[\w.$:-]{1,60} ?(?:\( {0,5}\d{1,8}\))?: "
    r"|^=(INFO|ERROR|WARNING|CRASH|SUPERVISOR|PROGRESS) REPORT="
    r"|^npm (ERR|WARN|error|warn|notice)\b"
    r"|(?:^|\] )(information|notice|warning|critical|debug)/[A-Z]\w{1,40}: "
    r"|%[A-Z][A-Z0-9_]{1,30}-([0-46-7])-[A-Z0-9_]{2,40}: "
)
_STAMPED = re.compile(
    r"^\d{4}-\d\d-\d\dT[\d:.]{12}[+-]\d{4} ([DIWEF])\d? +[A-Z]"
    r"|^\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +\d{1,8} +\d{1,8} ([VDIWEF]) "
)
"""A letter behind the time: MongoDB before 4.4, Android."""

_OSLO = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \d{1,8} TRACE ")
"""How OpenStack writes the lines of a trace."""

_ALIKE = bytes(ord("1") if chr(byte) in "0123456789" else byte for byte in range(256))
REMEMBERED = 4096
"""Heads of lines of which the level is remembered."""

_LETTERS = re.compile(r"[a-z]{3,}")
_TELLING = {
    *("level", "lvl", "sev", "severity", "levelname", "loglevel", "priority"),
    *(re.sub(r"\d", "", word) for word in _LEVELS),
}
_REDIS = re.compile(r"^\d{1,8}:[A-Z] \d\d \w{3} [\d: .]{8,24} ([.*#-]) ")
_SOURCE = re.compile(
    r"^(?:[\w.-]{1,60}(?:\[[\w.-]{1,20}\])? {0,40}\| ?){1,2}(?=\S| )"
    r"|^\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d) (?:stdout|stderr) [FP] "
)
"""What ``docker compose`` writes before the lines of a container, and Kubernetes on a node."""

_JOURNAL = re.compile(
    r"^\s{0,8}(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]{8,15}\S{0,6}) "
    r"[\w.-]{1,80} [\w@./()-]{1,80}\[\d{1,9}\]: (?=[ \t])"
)
"""What the journal writes before a line that continues another: a frame of a trace, its source."""

_HTML = re.compile(r"&(?:quot|lt|gt|nbsp|#39|#x27|#34);")
_DRIVE = re.compile(r"[A-Za-z]:\\")
"""A path of Windows, in which what looks like the end of a line may begin a name."""

_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
_UUID_WITHIN = re.compile(r"-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-")
_PROCESS = re.compile(r"\[(?<=[a-z)]\[)\d{1,9}\](?=: )")
_STATEMENT = re.compile(r"^\[sql: [^\]]{0,4000}(?:\]|\Z)", re.M)
_NOTHING = re.compile(
    r'"[\w.-]{0,30}(?:err|fail|time_?d?_?out|miss|overflow|denied|reject|drop|lost|invalid|exception|crash'
    r"|abort|panic|expired|revoked|lock|corrupt|dead|stale|throttl|retr|refused|warn|violat|unreach)"
    r'[\w.-]{0,20}" ?: ?(?:false|null|0(?:\.0{1,6})?|""|\[\]|\{\})(?=[ ,}\]])'
)
"""A field of JSON that says that there is no trouble of its kind."""

_ESCAPED = re.compile(r"\\u([0-9a-f]{4})", re.I)
"""A character as JSON writes it where only ASCII may be written."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CONTINUED = re.compile(r"^\s|^Caused by|^\.\.\. |^#\d")


def alike(text: str) -> bytes:
    """*text* with the same digit for each of its digits: lines of one program are mostly alike."""
    return text.encode("utf-8", "replace").translate(_ALIKE)


def level_of(line: str) -> Level:
    """The level a program gave its line: JSON, logfmt, syslog, nginx, databases, Python, …"""
    if line.lstrip()[:1] == "{" and (found := _JSON.search(line)):
        told = found[1].lower()
        if told in AMBIGUOUS and found[0].lower().startswith('"level"'):
            return Level.NONE
        return _LEVELS.get(told, Level.NONE)
    head = line[:160]
    return _level_of_head(head if "%" in head else alike(head).decode())


def _told_level(line: str) -> Level:
    """The level of a line; that of what it passes on, where its own program finds that calm."""
    level = level_of(line)
    if Level.DEBUG <= level <= Level.CALM and _PASSED_ON.search(line):
        return Level.ALARM
    if level is Level.CALM and _GIVES_REASON.search(line):
        return Level.WARN
    return level


@lru_cache(REMEMBERED)
def _level_of_head(head: str) -> Level:
    """The level that the head of a line tells; its digits tell none, but behind a "%"."""
    if " TRACE " in head and _OSLO.match(head):
        return Level.ALARM
    if _may_tell(head) and (found := _HEAD.search(head)):
        return _LEVELS.get((found[found.lastindex or 0]).lower(), Level.NONE)
    if head[:1].isdigit() and (found := _STAMPED.match(head)):
        return _LEVELS.get((found[1] or found[2]).lower(), Level.NONE)
    if found := _REDIS.match(head):
        return Level.NONE if found[1] == "#" else Level.CALM
    return Level.NONE


def _may_tell(head: str) -> bool:
    """Whether it may hold a level: most lines do not, and this is soon seen."""
    if head[:1] in "DIWEF" or "%" in head or "! " in head or not head.isascii():
        return True
    return not _TELLING.isdisjoint(_LETTERS.findall(head.lower()))


def lower(text: str) -> str:
    """*text* in lower case, of the same length: places in it are places in *text*."""
    low = text.lower()
    if len(low) == len(text):
        return low
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def meaning(low: str) -> str:
    """*low* with blanks of the same length for what is no wording: the digits of an identifier, the
    number of a process, the statement that an exception of SQLAlchemy quotes, the names of fields
    that say that nothing is wrong."""
    if "]: " in low:
        low = _PROCESS.sub(lambda found: "[" + " " * (len(found[0]) - 2) + "]", low)
    if _UUID_WITHIN.search(low):
        low = _UUID.sub(lambda found: " " * len(found[0]), low)
    if "[sql: " in low:
        low = _STATEMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), low)
    if '":' in low or '" :' in low:
        low = _NOTHING.sub(lambda found: " " * len(found[0]), low)
    return low


def _lines(text: str) -> list[str]:
    """The lines that are read: of a long text its beginning and its end, each line bounded."""
    if len(text) > CLIP:
        text = text[: CLIP // 4] + "\n" + text[-CLIP * 3 // 4 :]
    if "\\u" in text:
        text = _ESCAPED.sub(_character, text)
    if text.startswith(('{"log":"', '{"log": "')):
        text = "\n".join(_logged(line) or line for line in text.split("\n"))
    if _HTML.search(text):
        text = html.unescape(text)
    if not text.isascii():  # half of a surrogate pair is no character: RE2 refuses it
        text = text.encode("utf-8", "replace").decode()
    text = _ANSI.sub("", text).replace('\\"', '"').replace("\r", "\n").replace("\0", " ")
    found: list[str] = []
    for line in uncut(unmarked(text.split("\n"))):
        if "]:  " in line or "]: \t" in line:
            line = _JOURNAL.sub("", line)
        if "\\n" in line and ('{"' in line or not _DRIVE.search(line)):
            found += line.replace("\\t", "\t").split("\\n")
        elif len(line) > FOLDED:
            found += unfolded(line)
        elif line.strip():
            found.append(line)
    if len(found) > LINES:
        found = found[: LINES // 4] + found[-LINES * 3 // 4 :]
    return [_cut(line) for line in found]


def _logged(line: str) -> str:
    """What a container wrote, of a line as Docker keeps it; empty if it is none."""
    try:
        kept = json.loads(line)
        return str(kept["log"]).rstrip("\n") if "stream" in kept else ""
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _character(found: re.Match[str]) -> str:
    """What is escaped, if it is a letter: what ends a line or begins a command stays as it is."""
    character = chr(int(found[1], 16))
    return character if character.isalnum() or character in "，。：；！？、“”（）" else found[0]


def unmarked(lines: list[str]) -> list[str]:
    """Lines without the names of their containers, where each line has one."""
    if not _SOURCE.match(lines[0]):
        return lines
    marks = [_SOURCE.match(line) for line in lines]
    if sum(map(bool, marks)) * 2 < len(lines):
        return lines
    return [line[mark.end() :] if mark else line for line, mark in zip(lines, marks, strict=True)]


def _cut(line: str) -> str:
    """Its beginning and its end: the message is in the one, what it is about often in the other."""
    if len(line) <= LINE_CLIP:
        return line
    return f"{line[: LINE_CLIP * 2 // 3]} … {line[-LINE_CLIP // 3 :]}"


class Excerpt:
    """A text, ready to be read: *low* is for searching, *text* for quoting, at the same places."""

    def __init__(self, text: str) -> None:
        self.lines = _lines(text)
        self.text = "\n".join(self.lines)
        self.low = meaning(lower(self.text).replace("’", "'"))
        self.low_lines = self.low.split("\n")
        self._levels: dict[int, Level] = {}
        self._starts = [0, *accumulate(len(line) + 1 for line in self.lines)]

    def level(self, number: int) -> Level:
        """The level of a line; what continues a line has its level."""
        known = self._levels.get(number)
        if known is None:
            first = number
            while (level := _told_level(self.lines[first])) is Level.NONE and self._continues(
                first
            ):
                first -= 1
                if first in self._levels:
                    level = self._levels[first]
                    break
            self._levels |= dict.fromkeys(range(first, number + 1), level)
            known = level
        return known

    def _continues(self, number: int) -> bool:
        return number > 0 and bool(_CONTINUED.match(self.lines[number]))

    def around(self, number: int, reach: int = 2) -> str:
        """The line and its neighbours, in lower case."""
        first, last = max(number - reach, 0), min(number + reach, len(self.lines) - 1)
        return self.low[self._starts[first] : self._starts[last + 1]]
