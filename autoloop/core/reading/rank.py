"""Ranking: the cause goes before its consequences, a sure word before a vague one."""

import re
from collections import Counter
from typing import NamedTuple

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading.excerpt import Excerpt, Level
from autoloop.core.reading.signatures import REACH, Hit
from autoloop.core.reading.traces import Trace

DEPTH = {
    "SERVICE.disk_full": 1.0,
    "DATABASE.disk_full_db": 1.0,
    "SERVICE.memory_leak": 0.9,
    "DATABASE.data_corruption": 0.9,
    "SERVICE.too_many_open_files": 0.9,
    "CONFIG.env_missing": 0.85,
    "CONFIG.invalid_config_file": 0.8,
    "SERVICE.port_blocked": 0.8,
    "CODE.import_error": 0.75,
    "CODE.syntax_error": 0.75,
    "CONFIG.missing_file": 0.7,
    "CONFIG.permission_denied": 0.7,
    "SERVICE.dns_failure": 0.7,
    "SERVICE.tls_certificate": 0.7,
    "SERVICE.cpu_overload": 0.7,
    "CONFIG.wrong_port": 0.65,
    "DATABASE.connection_error": 0.45,
    "CODE.runtime_error": 0.6,
    "SERVICE.service_down": 0.35,
    "SERVICE.crash_loop": 0.3,
    "SERVICE.timeout": 0.2,
    "SERVICE.upstream_unreachable": 0.1,
    "LOGIN.wrong_password": 0.4,
}
"""How deep a cause lies, 0..1: a full disk explains a dead unit, and that a 502."""

RIVALS = 0.1
"""How much less a second meaning of a line may weigh."""

LONG = 30
"""Characters of a phrase from which on it says no more."""

FAILED = ("SERVICE.service_down", "CODE.runtime_error")
"""What a line says that only tells that something failed; the reason may stand behind it."""

REASON = 0.2
"""How much less the reason may weigh."""

HEADING = 0.9
"""What counts of a line that ends with a colon: what is wrong stands below it."""

VAGUE_BELOW, VAGUE_DEPTH = 0.8, 0.2
"""How deep what lies that only tells, in vague words, that a program failed."""

AGAIN = 3
"""How often something has ended in the same way where it does so again and again."""

LOOP = "SERVICE.crash_loop"
_ENDED = re.compile(r"\bexit|\bdied\b|\bcrashed\b|\bterminated\b|退出|崩溃")
_ATTEMPT = re.compile(r"\b(?:attempt|retr(?:y|ies|ying)|try(?:ing)? again|reconnect)|重试|重连")
"""What tells that it was, or will be, tried again."""

_DIGITS = re.compile(r"\d+|\b[0-9a-z]*\d[0-9a-z]*\b")
_CLAUSE = re.compile(r"[,，;；。!！]|\. |：[`「“\"']|\b(?:but|however)\b|但")
"""Where another clause begins."""

ELSEWHERE = 0.55
"""The weight up to which an alarm in another clause is too vague to stand against a calm word."""

DEPTH_ELSE = 0.6
DEPTH_COUNTS = 0.3
SETTLED = 0.38
PASSING = ("SERVICE.", "DATABASE.", FAILED[1])
"""How the names of those causes begin that may pass by themselves."""

MISTYPED = "LOGIN.wrong_password"
"""What is no trouble if the same user has got in below."""

ALARMED = 0.75
"""What a calm word still counts in a line that its program calls an error."""

INFORMS = 0.85
"""What an exact wording counts that its program calls information."""


class Suspect(NamedTuple):
    """A cause that the text speaks for: its best hit, and how sure that is."""

    hit: Hit
    rank: float
    confidence: float


def ranked(hits: list[Hit], excerpt: Excerpt, trace: Trace) -> list[Suspect]:
    """One suspect for each name that is left, the deepest sure cause first; none if all is calm."""
    best = _again(_best_of_lines(hits, excerpt, trace), excerpt)
    passed = settled(hits)
    typed_wrong = mistyped(hits)
    by_name: dict[str, Hit] = {}
    for hit in best:
        if hit.line in typed_wrong and hit.name == MISTYPED:
            continue
        if hit.line in passed and hit.name.startswith(PASSING):
            warned = excerpt.level(hit.line) is Level.WARN
            if warned and _ATTEMPT.search(excerpt.low_lines[hit.line]):
                continue  # its own program calls it no error, and tried again
            hit = hit._replace(weight=hit.weight * SETTLED)
        known = by_name.get(hit.name)
        if known is None or _ranks(hit) > _ranks(known) + (0 if not known.culprit else 0.02):
            by_name[hit.name] = _with_names(hit, known)
        else:
            by_name[hit.name] = _with_names(known, hit)
    return _suspects([hit for hit in by_name.values() if hit.weight >= 0.3])


def _again(hits: list[Hit], excerpt: Excerpt) -> list[Hit]:
    """*hits*, where what ended in the same way time and again is a loop."""
    ends = {
        hit.line: _DIGITS.sub("", excerpt.low_lines[hit.line])
        for hit in hits
        if hit.name == FAILED[0] and _ENDED.search(excerpt.low_lines[hit.line])
    }
    counted = Counter(ends.values())
    return [
        hit._replace(name=LOOP) if counted[ends.get(hit.line, "")] >= AGAIN else hit for hit in hits
    ]


def settled(hits: list[Hit]) -> set[int]:
    """The lines that tell of what had failed and has recovered below, for good."""
    last = max((hit.line for hit in hits if hit.signature.settles), default=-1)
    passing = [hit for hit in hits if hit.name.startswith(PASSING)]
    if any(hit.line > last and hit.weight > ELSEWHERE for hit in passing):
        return set()
    return {hit.line for hit in passing if hit.line < last}


def mistyped(hits: list[Hit]) -> set[int]:
    """The lines in which a user is refused who has got in below."""
    got_in = {h.culprit: h.line for h in hits if h.signature.settles and h.culprit}
    failed = (h for h in hits if h.name == MISTYPED and h.culprit in got_in)
    return {h.line for h in failed if h.line < got_in[h.culprit]}


def _with_names(hit: Hit, other: Hit | None) -> Hit:
    """*hit*, with the culprit of *other* where it has none."""
    if other is None:
        return hit
    return _told(hit, other.culprit, other.hint)


def _told(hit: Hit, culprit: str, hint: str) -> Hit:
    """*hit*, with *culprit* and *hint* where it has none."""
    if (hit.culprit or not culprit) and (hit.hint or not hint):
        return hit
    return hit._replace(culprit=hit.culprit or culprit, hint=hit.hint or hint)


def depth(hit: Hit) -> float:
    """How deep the cause of a hit lies, 0..1."""
    own = hit.signature.depth
    if hit.name == FAILED[1] and hit.signature.whole and hit.signature.weight < VAGUE_BELOW:
        return VAGUE_DEPTH
    return DEPTH.get(hit.name, DEPTH_ELSE) if own is None else own


def _ranks(hit: Hit) -> float:
    """How a hit stands among those of other causes."""
    return hit.weight + DEPTH_COUNTS * depth(hit)


def _suspects(hits: list[Hit]) -> list[Suspect]:
    scored = sorted(
        ((_ranks(h), h) for h in hits),
        key=lambda pair: (-pair[0], pair[1].line),
    )
    found = []
    for place, (rank, hit) in enumerate(scored):
        rival = scored[1][0] if place == 0 and len(scored) > 1 else 0.0
        close = 0.12 if place == 0 and rank - rival < 0.1 else 0.0
        share = 1.0 if place == 0 else 0.5 / place
        sure = round(max(0.05, min(0.97, hit.weight * share - close)), 2)
        found.append(Suspect(hit=hit, rank=rank, confidence=sure))
    return found


def _best_of_lines(hits: list[Hit], excerpt: Excerpt, trace: Trace) -> list[Hit]:
    """The hit that says most in each line; a calm word there outweighs a vaguer alarm."""
    lines: dict[int, list[Hit]] = {}
    for hit in hits:
        lines.setdefault(hit.line, []).append(hit)
    found = []
    for number, here in sorted(lines.items()):
        level = excerpt.level(number)
        weighed = [_weighed(hit, level, trace) for hit in here]
        if _heads(excerpt.lines, number):
            weighed = [h._replace(weight=h.weight * HEADING) for h in weighed]
        alarms = [h for h in weighed if h.name != BENIGN]
        low = excerpt.low_lines[number]
        weighed = [h for h in weighed if h.name != BENIGN or _speaks_for(h, alarms, low)]
        if not weighed:
            continue
        top = max(weighed, key=_says)
        if top.name == BENIGN:
            continue
        reason = _reason(top, weighed, excerpt.lines[number])
        if reason is not top:
            top, weighed = reason, [h for h in weighed if h.name not in FAILED]
        same = [h for h in weighed if h.name == top.name]
        named = next((h.culprit for h in same if h.culprit), "")
        hint = next((h.hint for h in same if h.hint), "")
        found.append(_told(top, named, hint))
        rivals = (h for h in weighed if h.weight > top.weight - RIVALS and _apart(h, top))
        found += [h for h in rivals if top.name in FAILED or h.name not in FAILED]
    return found


def _heads(lines: list[str], number: int) -> bool:
    """Whether a line only announces the next."""
    return number + 1 < len(lines) and lines[number].rstrip().endswith((":", "："))


def _reason(top: Hit, here: list[Hit], line: str) -> Hit:
    """What stands behind a colon after *top*, where that only says that something failed."""
    if top.name not in FAILED:
        return top
    end = top.place + top.length
    told = (
        hit
        for hit in here
        if hit.place >= end and hit.weight >= top.weight - REASON and hit.name not in FAILED
        if hit.name != BENIGN and re.search(r"[:：]", line[end : hit.place])
    )
    return max(told, key=_says, default=top)


def _apart(hit: Hit, top: Hit) -> bool:
    """Whether it says something else, in other words of the line."""
    before, after = sorted((hit, top), key=lambda h: h.place)
    return BENIGN != hit.name != top.name and before.place + before.length <= after.place


def _says(hit: Hit) -> float:
    """How much a hit says within its line: a longer phrase a little more than a shorter one."""
    return hit.weight + min(hit.length, LONG) / 1000


def _speaks_for(calm: Hit, alarms: list[Hit], low: str) -> bool:
    """Whether a calm word is about what alarms: within a line of JSON it may be about anything."""
    end = calm.place + calm.length
    return all(
        calm.place <= alarm.place < end
        or (
            abs(calm.place - alarm.place) < calm.signature.reach
            and not (alarm.name in calm.signature.spares and alarm.weight > VAGUE_BELOW)
            and not _goes_on(calm, alarm, low)
        )
        for alarm in alarms
    )


def _goes_on(calm: Hit, alarm: Hit, low: str) -> bool:
    """Whether a line goes on after a calm word to say, in so many words, what went wrong."""
    end = calm.place + calm.length
    if calm.signature.reach > REACH or alarm.weight <= ELSEWHERE or alarm.place < end:
        return False
    return bool(_CLAUSE.search(low, end, alarm.place))


def _weighed(hit: Hit, level: Level, trace: Trace) -> Hit:
    if hit.name == BENIGN:
        damped = level is Level.ALARM and not hit.signature.calm
        return hit._replace(weight=hit.weight * ALARMED) if damped else hit
    weight = hit.weight
    if level <= Level.CALM and not hit.signature.calm:
        weight *= INFORMS if hit.signature.speaks_calmly else 0.3
    if hit.line in trace.wrappers:
        weight *= 0.8
    elif hit.line == trace.root:
        weight = min(0.98, weight * 1.05)
    return hit if weight == hit.weight else hit._replace(weight=weight)
