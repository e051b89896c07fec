"""The gate: is there an error at all, when no signature tells? Levels and words decide."""

import re

from autoloop.core.diagnosis import BENIGN, Cause, Evidence
from autoloop.core.reading.blame import Complaint, blamed
from autoloop.core.reading.culprits import shown
from autoloop.core.reading.excerpt import Excerpt, Level
from autoloop.core.reading.grammar import grammar
from autoloop.core.reading.quoted import in_table, quoted
from autoloop.core.reading.rank import FAILED, mistyped, settled
from autoloop.core.reading.signatures import CLEAR, Hit
from autoloop.core.reading.traces import Trace
from autoloop.core.redact import redact

_ALARMING = re.compile(
    r"(?<![-/~_@])\b(?:errors?|failed|failure|fail|fatal|exception|panic|cannot|can't|"
    r"could ?n[o']t|unable|invalid|refused|denied|aborted|crash\w*|not found|missing|rejected|"
    r"traceback)\b"
    r"(?![-=_/]\w|[=_]|\.(?:js|css|log|html?|pdf|php|txt|go|py|rb|json|png|svg|yml|yaml)\b)"
    r"|\b(?:fehler|fehlgeschlagen|erreur|échec|échoué|impossible|fallo|falló|ошибка)\b"
    r"|错误|失败|异常|无法|不能|拒绝|报错|錯誤|失敗|無法|未找到|不存在|无效"
)
_SAD = re.compile(
    r"\b(?:must (?:be|have|not)|required|outside|unsupported|unavailable|unreachable|mismatch|not "
    r"(?:present|supported|allowed|exist|available|match\w*)|already exists|exceed\w*|expired|"
    r"duplicate|corrupt\w*|timed out|conflict|too (?:many|large|long|slow)|lost|died"
    r"|(?<!shut )(?<!ing )(?<!ounded )(?<!tear )down)\b"
    r"|超时|不足|缺少|过期|冲突|重复|已存在|不匹配|不支持|不正确|请(?:先|输入|选择|检查)|不可用|断开|超出|损坏"
)
_GRAVE = re.compile(
    r"\b(?:expired|violat\w+|denied|refused|rejected|unauthori[sz]ed|corrupt\w*|forbidden)\b|拒绝|过期|损坏"
)
"""What is trouble although it is told as a warning."""

_HANDLED = re.compile(
    r"\b(?:will (?:not|be|retry|try|now)|fall(?:ing|s)? ?back|correct(?:ing|ed)|dropp(?:ing|ed)|"
    r"reconnecting|assum(?:e|es|ing)|discard\w*|skip(?:ping|ped|s)?|ignor(?:ing|ed|es)|resetting|"
    r"continu(?:es|ing)|disabling|adjust(?:ing|ed)|(?:re)?trying|using|waiting|deferr(?:ing|ed)|"
    r"client sent|from client)\b"
    r"|忽略|跳过|使用默认|默认(?:为|使用)|将(?:使用|自动|会)|正在重试|继续"
)
"""What the program does about it: then its own log speaks, and calls it no error."""

_DIRE = re.compile(
    r"\b(?:exceed\w*|unavailable|unreachable|corrupt\w*|lost|died|down|expired|timed out|too slow|"
    r"inconsistent|broken|damaged)\b|不可用|断开|超时|损坏|丢失|不足|不一致"
)
"""What is trouble whatever is done about it."""

_GOES_ON = re.compile(
    r"\b(?:skip(?:ping|ped|s)?|ignor(?:ing|ed|es)|continu(?:ing|es)"
    r"|exiting|quitting|stopping|terminating|shutting down)\b|跳过|(?<!请)忽略|继续"
)
_HARMED = re.compile(
    r"(?<![\w-])fatal(?: error\b|:)|\b(?:corrupt(?:ed)?|damaged|died|crashed|is down)\b"
    r"|损坏|崩溃|宕机"
)
"""What is no less trouble if the program goes on without it, or tells that it does not."""

REACH_ON = 12
"""Characters of a word that a match may leave out."""

_EXCEPTION = re.compile(r"\b[a-z_.]{0,80}[a-z](?:error|exception)\b|traceback|panic|undefined|null")
_SETTING = re.compile(
    r"""^[\s|*+-]{0,12}["'`]?(?P<key>[a-z][\w.-]{1,60})["'`]?\s{0,40}(?::|=|=>|\.{3})\s{0,40}"""
    r"""(?:["']?-?\d[\d.,_]{0,20} ?(?:[kmgt]i?b?|[mun]?s|min|h|d|bytes)?["']?|true|false"""
    r"""|none|null|yes|no|on|off|enabled|disabled|auto|default|\[(?:[^\n\[\]]|\[[^\n\[\]]{0,200}\]){0,400}\]|\{[^\n]{0,400}\}"""
    r"""|["']?/[\w./*-]{0,200}["']?|["']{2}),?;?(?:\s{1,80}(?:#|//|/\*|;)[^\n]{0,200})?$"""
)
"""A line that only gives a value: of a number, a switch, a list, a path."""

_ROW = re.compile(
    r"^\s{0,8}\|\s{0,20}`?[a-z][a-z0-9]{0,30}[_.-][\w.-]{1,60}`?\s{1,40}\|"
    r"\s{0,20}`?(?:\d[\w.]{0,12}|true|false|yes|no|none|/[\w/.-]{0,60}|-|—)`?\s{1,40}\|"
)
"""A row of a table that documents settings: a name, a plain value."""

_STATE = re.compile(
    r"err|fail|fatal|exception|reason|messag|msg|cause|status|state|code|exit|detail|title|result"
    r"|alert|critical|panic|dropped|lost|killed|oom|used|free|avail|missing|unknown|denied|expired"
    r"|unreachable|refused|(?:deadlocks?|timeouts|full|down|broken|corrupt\w{0,3}|crash\w{0,3})$"
)
"""What may be wrong by its value; not a limit: "deadlock" may, "deadlock_timeout" may not."""

_TOLD = re.compile(
    r"""[{,\[(] ?["':]?(?:err\w{0,8}|msg|message|detail|reason|description)["']?\s?[:=,]"""
)
"""What tells something within a value of several parts: an answer, and no setting."""

_GUESS = 0.2

ASKED = 12
"""Lines that alarm of which it is asked what they mean."""

SHORT = 240
"""Characters of a message that may be a complaint although no word of it alarms."""


def is_setting(low: str) -> bool:
    """Whether *low*, a line in lower case, only gives the value of a setting or a counter."""
    if _ROW.match(low):
        return True
    found = _SETTING.match(low)
    if found is None or _STATE.search(found["key"]):
        return False
    return not _TOLD.search(low, found.end("key"))


def guessed(excerpt: Excerpt, trace: Trace, hits: list[Hit]) -> Cause | None:
    """A guess, and marked as one, where a line is alarming and no signature knows it."""
    calm = {hit.line for hit in hits if hit.name == BENIGN} | mistyped(hits) | quoted(excerpt)
    calm |= settled(hits)
    alarming = _alarming(excerpt, calm)
    if not alarming and _is_torn_off(excerpt, trace):
        alarming = [max(trace.frames)]
    if not alarming:
        return None
    if (
        trace.own
        or trace.frames.issuperset(alarming[:1])
        or _EXCEPTION.search(excerpt.low_lines[alarming[0]])
    ):
        number, name = alarming[0], "CODE.runtime_error"
    else:
        number, name = _complaint(excerpt, alarming)
    seen = Evidence(
        source=f"text, line {number + 1}", excerpt=redact(excerpt.lines[number].strip())[:300]
    )
    culprit = blamed(Complaint(name, number, told=trace.own), excerpt, trace)
    culprit = shown(culprit, seen.excerpt, excerpt.lines)
    return Cause(name=name, culprit=culprit, confidence=_GUESS, evidence=(seen,))


def _is_torn_off(excerpt: Excerpt, trace: Trace) -> bool:
    """Whether it is the middle of a trace of Python, which prints frames only of what failed."""
    return ", line " in excerpt.low and 2 * len(trace.frames) > len(excerpt.lines)


def _complaint(excerpt: Excerpt, alarming: list[int]) -> tuple[int, str]:
    """The line that complains, and what it means; what only says that something failed, is last.

    Below a line that alarms may stand what it is about.
    """
    asked = [n for n in alarming[:ASKED] for n in (n, n + 1) if n < len(excerpt.lines)]
    read = [(n, meaning) for n in asked if (meaning := grammar().read(excerpt.low_lines[n]))]
    told = [each for each in read if each[1] not in FAILED]
    return next(iter(told or read), (alarming[0], FAILED[0]))


def _alarming(excerpt: Excerpt, calm: set[int]) -> list[int]:
    """The lines that alarm, those with a level first."""
    levels = [excerpt.level(number) for number in range(len(excerpt.lines))]
    marked = [n for n, level in enumerate(levels) if level is Level.ALARM and n not in calm]
    plain = [
        n
        for n, level in enumerate(levels)
        if level is Level.NONE and n not in calm and _ALARMING.search(excerpt.around(n, 0))
        if not (in_table(excerpt.low_lines, n) or _ROW.match(excerpt.low_lines[n]))
    ]
    plain += [
        n
        for n, level in enumerate(levels)
        if level is Level.WARN and n not in calm and _GRAVE.search(excerpt.low_lines[n])
    ]
    if not marked + plain and len(excerpt.lines) == 1 and len(excerpt.text) <= SHORT:
        plain = [0] if 0 not in calm and levels == [Level.NONE] and _sad(excerpt.low) else []
    return marked + plain


def _sad(low: str) -> bool:
    """Whether a short message that stands alone is a complaint."""
    if is_setting(low) or (_HANDLED.search(low) and not _DIRE.search(low)):
        return False
    return bool(_SAD.search(low) or grammar().claims_trouble(low))


def hides(hit: Hit, low: str) -> bool:
    """Whether a calm *hit* in a line only tells what the program does about something grave."""
    end = hit.place + hit.length
    return hit.weight < CLEAR and bool(
        _GOES_ON.search(low, hit.place, end + REACH_ON) and _HARMED.search(low, 0, end)
    )


def calm_cause(excerpt: Excerpt, hits: list[Hit]) -> Cause:
    """ "Not an error": the surer, the more of the lines say so themselves."""
    told = {hit.line for hit in hits if hit.name == BENIGN}
    lines = range(len(excerpt.lines))
    low = excerpt.low_lines
    calm = sum(n in told or excerpt.level(n) <= Level.CALM or is_setting(low[n]) for n in lines)
    share = calm / max(len(excerpt.lines), 1)
    number = min(told, default=0)
    seen = Evidence(
        source=f"text, line {number + 1}", excerpt=redact(excerpt.lines[number].strip())[:300]
    )
    return Cause(name=BENIGN, confidence=round(0.6 + 0.35 * share, 2), evidence=(seen,))
