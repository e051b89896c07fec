"""The gate: is there an error at all, when no signature tells? Levels and words decide."""

import re

from autoloop.core.diagnosis import BENIGN, Cause, Evidence
from autoloop.core.reading.excerpt import Excerpt, Level
from autoloop.core.reading.signatures import Hit
from autoloop.core.reading.traces import Trace
from autoloop.core.redact import redact

_ALARMING = re.compile(
    r"\b(?:errors?|failed|failure|fail|fatal|exception|panic|cannot|can't|could ?n[o']t|unable|"
    r"invalid|refused|denied|aborted|crash\w*|not found|missing|rejected|traceback)\b(?![=_])"
    r"|\b(?:fehler|fehlgeschlagen|erreur|échec|échoué|impossible|fallo|falló|ошибка)\b"
    r"|错误|失败|异常|无法|不能|拒绝|报错|錯誤|失敗|無法|未找到|不存在|无效"
)
_EXCEPTION = re.compile(r"\b[a-z_.]{0,80}[a-z](?:error|exception)\b|traceback|panic|undefined|null")
_GUESS = 0.2


def guessed(excerpt: Excerpt, trace: Trace, hits: list[Hit]) -> Cause | None:
    """A guess, and marked as one, where a line is alarming and no signature knows it."""
    calm = {hit.line for hit in hits if hit.name == BENIGN}
    for number in _alarming(excerpt, calm):
        low = excerpt.around(number, 0)
        if trace.own or _EXCEPTION.search(low):
            name = "CODE.runtime_error"
        else:
            name = "SERVICE.service_down"
        seen = Evidence(
            source=f"text, line {number + 1}", excerpt=redact(excerpt.lines[number].strip())[:300]
        )
        return Cause(name=name, culprit=trace.own, confidence=_GUESS, evidence=(seen,))
    return None


def _alarming(excerpt: Excerpt, calm: set[int]) -> list[int]:
    """The lines that alarm, those with a level first."""
    levels = [excerpt.level(number) for number in range(len(excerpt.lines))]
    marked = [n for n, level in enumerate(levels) if level is Level.ALARM and n not in calm]
    plain = [
        n
        for n, level in enumerate(levels)
        if level is Level.NONE and n not in calm and _ALARMING.search(excerpt.around(n, 0))
    ]
    return marked + plain


def calm_cause(excerpt: Excerpt, hits: list[Hit]) -> Cause:
    """ "Not an error": the surer, the more of the lines say so themselves."""
    told = {hit.line for hit in hits if hit.name == BENIGN}
    lines = range(len(excerpt.lines))
    calm = sum(n in told or excerpt.level(n) is Level.CALM for n in lines)
    share = calm / max(len(excerpt.lines), 1)
    number = min(told, default=0)
    seen = Evidence(
        source=f"text, line {number + 1}", excerpt=redact(excerpt.lines[number].strip())[:300]
    )
    return Cause(name=BENIGN, confidence=round(0.6 + 0.35 * share, 2), evidence=(seen,))
