"""Looking back at an outage, once service is restored: what happened on the host before it, and
why the application went down. Reads only; what cannot be told is left out."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import takewhile

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Cause, Diagnosis, Evidence
from autoloop.core.reading import signature_engine
from autoloop.core.redact import redact
from autoloop.core.target import Answer, Read
from autoloop.core.words import Frozen, Words

MINUTES = 30
"""So far back is looked."""

LINES = 400
SHOWN = 8
SURE_ENOUGH = 0.5
"""From here on the text engine's word for the last lines of a program is a reason."""

SYMPTOMS = frozenset({"SERVICE.service_down", "SERVICE.upstream_unreachable", "SERVICE.crash_loop"})
"""What an outage looks like; these do not say why there was one."""

_STOPPING = r"\bStopping\b|\bwaiting for \S+ to stop|\bstopped: "
_STARTED = r"systemd\[\d+\]: Started\b|\bspawned: "
_PEOPLE = ("sudo", "sshd", "su", "systemd-logind", "polkitd")


class Line(Frozen):
    """One line of a log, with when it was written (seconds since 1970, the host's clock)."""

    at: float
    source: str
    text: str


class Reason(Frozen):
    """One reason for an outage, in the field's terms and in words."""

    cause: Cause
    words: Words


class Outage(Frozen):
    """Why an application went down, the likeliest first, and what was seen before it."""

    component: str = ""
    reasons: tuple[Reason, ...] = ()
    before: tuple[Evidence, ...] = ()
    error: str = ""


def outage_reads(part: Component) -> tuple[Read, ...]:
    """What `outage_from` reads, in its order: the manager's story, the kernel's, who was there,
    which packages were changed, and since when the host has been up."""
    journal = ["journalctl", "-q", "--no-pager", "-o", "short-unix", "-n", str(LINES)]
    recent = [*journal, "--since", f"-{MINUTES}min"]
    people = [word for name in _PEOPLE for word in ("-t", name)]
    return (
        part.service().story(part.unit, LINES),
        Read(op="run", args={"argv": [*recent, "-k"]}),
        Read(op="run", args={"argv": [*recent, *people]}),
        Read(op="file", args={"path": "/var/log/dpkg.log", "limit": 16384, "tail": True}),
        Read(op="run", args={"argv": ["date", "+%z"]}),
        Read(op="facts"),
    )


def outage_from(
    spec: AppSpec, diagnosis: Diagnosis, first_seen: float, now: float, answers: Sequence[Answer]
) -> Outage:
    """Read the answers.

    Args:
        first_seen: when the trouble was first told of, by the platform's clock.
        now: the platform's clock when the host answered.
    """
    story, kernel, people, packages, zone, host = answers
    part = spec.component(diagnosis.top.component)
    known = host.value if host.ok else {"time": now, "uptime": 0.0}
    end = first_seen + known["time"] - now + 2  # by the host's clock
    ahead = _ahead(zone)
    own = _lines(part.unit, story, ahead)
    if part.manager == "supervisord":  # it has one log for all programs
        own = [line for line in own if part.unit in line.text]
    told = {"kernel": kernel, "people": people, "packages": packages}
    lines = [*own, *(line for name, said in told.items() for line in _lines(name, said, ahead))]
    seen = sorted((one for one in lines if end - MINUTES * 60 < one.at <= end), key=_when)
    if known["uptime"] and end - MINUTES * 60 < known["time"] - known["uptime"] <= end:
        started = known["time"] - known["uptime"]
        seen.append(Line(at=started, source="host", text="the host was started"))
    found = [reason for judge in JUDGES if (reason := judge(part, seen)) is not None]
    reasons = (*_found_before(diagnosis), *found)
    before = tuple(_evidence(one) for one in seen if _tells(one))[-SHOWN:]
    return Outage(component=part.name, reasons=_once(reasons), before=before)


def _when(line: Line) -> float:
    return line.at


def _found_before(diagnosis: Diagnosis) -> tuple[Reason, ...]:
    """What the first diagnosis found deeper than the outage itself: it comes before it there."""
    deeper = takewhile(lambda cause: cause.name not in SYMPTOMS, diagnosis.causes)
    return tuple(
        Reason(
            cause=cause,
            words=Words(
                en="this was so on the host when it was looked at first",
                zh="首次检查主机时即已如此",
            ),
        )
        for cause in deeper
        if cause.component
    )


def _once(reasons: Sequence[Reason]) -> tuple[Reason, ...]:
    names: dict[tuple[str, str], Reason] = {}
    for reason in reasons:
        names.setdefault((reason.cause.name, reason.cause.culprit), reason)
    return tuple(names.values())


def _out_of_memory(part: Component, seen: Sequence[Line]) -> Reason | None:
    """The kernel, or the unit's own limit, ended a process for its memory."""
    line = _last(seen, r"(?i)\bout of memory\b|oom[-_ ]?kill|invoked oom-killer")
    if line is None:
        return None
    words = Words(en="a process was ended because memory ran out", zh="内存耗尽，进程被终止")
    return _reason("SERVICE.memory_leak", part, part.unit, 0.9, words, line)


def _host_started(part: Component, seen: Sequence[Line]) -> Reason | None:
    """The host itself was started, and the service did not come back with it."""
    line = _last(seen, r"^the host was started$")
    if line is None:
        return None
    words = Words(
        en="the host was restarted, and the service did not come up with it",
        zh="主机重启后服务未随之启动",
    )
    return _reason("SERVICE.service_down", part, "host", 0.8, words, line)


def _killed(part: Component, seen: Sequence[Line]) -> Reason | None:
    """Its main process was ended by a signal that nobody's stop had sent."""
    line = _last(
        _of(part, seen), r"code=(?:killed|dumped), status=(\d+/\w+)|terminated by (SIG\w+)"
    )
    if line is None or _asked_to_stop(part, seen, line.at):
        return None
    found = re.search(r"status=(\d+/\w+)|terminated by (SIG\w+)", line.text)
    signal = (found[1] or found[2]) if found else ""
    words = Words(
        en=f"its process was killed ({signal}), not stopped by its manager",
        zh=f"进程被杀死（{signal}），并非由服务管理器停止",
    )
    return _reason("SERVICE.service_down", part, part.unit, 0.8, words, line)


def _stopped(part: Component, seen: Sequence[Line]) -> Reason | None:
    """Somebody told its manager to stop it; if the host noted who gave commands, they are named."""
    line = _last(_of(part, seen), _STOPPING)
    if line is None or _last([one for one in seen if one.at > line.at], _STARTED):
        return None
    who = _last([one for one in seen if one.source == "people"], r"COMMAND=|session opened")
    words = Words(
        en="its manager was told to stop it: a person or a program did that on purpose",
        zh="服务管理器收到停止指令：由人或程序主动停止",
    )
    lines = (line, *([who] if who is not None else []))
    return _reason("SERVICE.service_down", part, part.unit, 0.85, words, *lines)


def _ended(part: Component, seen: Sequence[Line]) -> Reason | None:
    """It ended by itself; its last words may say why."""
    own = _of(part, seen)
    line = _last(own, r"code=exited, status=[1-9]|exited: .*not expected|entered FATAL")
    if line is None:
        return None
    said = "\n".join(one.text for one in own if one.at <= line.at and "systemd" not in one.text)
    read = signature_engine().read(said[-8000:])[0] if said else None
    words = Words(en="it ended by itself, with an error", zh="进程自行异常退出")
    if read is None or read.confidence < SURE_ENOUGH or read.name.startswith("NONE."):
        return _reason("SERVICE.crash_loop", part, part.unit, 0.5, words, line)
    culprit = read.culprit or part.unit
    reason = _reason(read.name, part, culprit, read.confidence, words, line)
    evidence = (*reason.cause.evidence, *read.evidence[:1])
    return reason.model_copy(
        update={"cause": reason.cause.model_copy(update={"evidence": evidence})}
    )


JUDGES: tuple[Callable[[Component, Sequence[Line]], Reason | None], ...] = (
    _out_of_memory,
    _host_started,
    _ended,
    _killed,
    _stopped,
)


def _asked_to_stop(part: Component, seen: Sequence[Line], until: float) -> bool:
    """Whether its manager was told to stop it within two minutes before *until*."""
    own = [one for one in _of(part, seen) if until - 120 < one.at <= until]
    return _last(own, _STOPPING) is not None


def _of(part: Component, seen: Sequence[Line]) -> list[Line]:
    return [one for one in seen if one.source == part.unit]


def _last(seen: Sequence[Line], pattern: str) -> Line | None:
    return next((one for one in reversed(seen) if re.search(pattern, one.text)), None)


def _reason(
    name: str, part: Component, culprit: str, sure: float, words: Words, *lines: Line
) -> Reason:
    evidence = tuple(_evidence(line) for line in lines)
    cause = Cause(
        name=name, culprit=culprit, component=part.name, confidence=sure, evidence=evidence
    )
    return Reason(cause=cause, words=words)


def _evidence(line: Line) -> Evidence:
    at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="seconds")
    return Evidence(source=line.source, at=at, excerpt=line.text[:300])


_TELLING = re.compile(
    r"(?i)\b(?:stopp|start|exit|kill|fail|oom|out of memory|COMMAND=|session opened|Accepted|"
    r"upgrade|remove|install|reload|FATAL|error)"
)


def _tells(line: Line) -> bool:
    return bool(_TELLING.search(line.text))


_UNIX = re.compile(r"^(\d{9,11}\.\d+) \S+ (.*)$")
_DATED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:,\d+)? (.*)$")


def _ahead(zone: Answer) -> float:
    """Seconds by which the host's wall clock is ahead of UTC; some logs only know that."""
    said = str(zone.value.get("out", "")).strip() if zone.ok else ""
    if not re.fullmatch(r"[+-]\d{4}", said):
        return 0.0
    seconds = int(said[1:3]) * 3600 + int(said[3:]) * 60
    return float(-seconds if said[0] == "-" else seconds)


def _lines(source: str, answer: Answer, ahead: float) -> list[Line]:
    """The lines that begin with a time; redacted."""
    if not answer.ok:
        return []
    text = str(answer.value.get("out") or answer.value.get("text") or "")
    made = (_line(source, raw, ahead) for raw in text.splitlines())
    return [one for one in made if one is not None]


def _line(source: str, raw: str, ahead: float) -> Line | None:
    if found := _UNIX.match(raw):
        return Line(at=float(found[1]), source=source, text=redact(found[2]))
    if found := _DATED.match(raw):
        try:
            at = datetime.fromisoformat(found[1]).replace(tzinfo=UTC).timestamp()
        except ValueError:  # it only looks like a time
            return None
        return Line(at=at - ahead, source=source, text=redact(found[2]))
    return None
