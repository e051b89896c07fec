"""The report of an incident or a deployment: what happened, in words and tables."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from autoloop.core.diagnosis import Cause, Diagnosis, Evidence
from autoloop.core.effect import Effect
from autoloop.core.incident import Incident, State, Transition
from autoloop.core.plan import Plan
from autoloop.core.proof import Proof
from autoloop.core.words import Frozen, Language, Words


class Settled(Frozen):
    """How one attempt ended: kept, or put back."""

    remedy: str
    proof: Proof
    kept: bool
    why: str = ""
    backup: str = ""


class Report(Frozen):
    """Everything that is told of one incident."""

    incident: Incident
    diagnosis: Diagnosis
    plan: Plan
    attempts: tuple[Settled, ...] = ()
    timeline: tuple[Transition, ...] = ()

    @property
    def repaired(self) -> bool:
        """Whether a remedy was proved and kept."""
        return any(attempt.kept for attempt in self.attempts)

    @property
    def ending(self) -> str:
        """How it ended: a key of `TITLES`."""
        if self.repaired:
            return "repaired"
        if self.diagnosis.benign:
            return "ordinary"
        return "recovered" if self.incident.state == State.CLOSED else "asked"

    @property
    def seconds_to_recover(self) -> float | None:
        """From the first word of it to the first passed proof, in seconds."""
        proved = next((a.proof.at for a in self.attempts if a.kept), None)
        if proved is None or not self.incident.first_seen:
            return None
        began = datetime.fromisoformat(self.incident.first_seen).timestamp()
        return round(proved - began, 3)


TITLES = {
    "found": Words(en="What was found", zh="诊断结果"),
    "evidence": Words(en="Evidence", zh="证据"),
    "done": Words(en="What was done", zh="处理过程"),
    "proof": Words(en="Proof", zh="验证"),
    "not": Words(en="What was not done, and why", zh="未采取的措施及原因"),
    "timeline": Words(en="Timeline", zh="时间线"),
    "repaired": Words(en="repaired and proved", zh="已修复并验证"),
    "ordinary": Words(en="nothing to repair", zh="无需修复"),
    "asked": Words(en="a person is asked", zh="需要人工处理"),
    "recovered": Words(en="well again, not by a remedy", zh="已恢复正常，并非由修复措施所致"),
    "put_back": Words(en="was not proved and put back", zh="未通过验证，已回滚"),
    "abandoned": Words(en="could not be ended, all is as before", zh="未能完成，已恢复原状"),
    "stuck": Words(
        en="could not be ended, and the host may not be as before: a person is needed",
        zh="未能完成，主机可能未恢复原状：需要人工处理",
    ),
    "effects": Words(en="Effects", zh="变更"),
    "changed_nothing": Words(en="Nothing was changed.", zh="未做任何更改。"),
    "well_after": Words(en="well again after {:.1f} s", zh="{:.1f} 秒后恢复正常"),
    "check": Words(en="Check", zh="检查项"),
    "why": Words(en="Why not", zh="原因"),
    "time": Words(en="Time (UTC)", zh="时间 (UTC)"),
    "after": Words(en="After", zh="经过"),
    "state": Words(en="State", zh="状态"),
    "reason": Words(en="What happened", zh="经过说明"),
}
_SHA256 = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_MARKS = re.compile(r"[\\`*<>\[\]~]|(?<!\w)_|_(?!\w)")


def markdown(report: Report, language: Language = "en") -> str:
    """The report as Markdown."""
    say = {key: words.say(language) for key, words in TITLES.items()}
    top = report.diagnosis.top
    lines = [
        f"# {report.incident.app}: {top.name} — {say[report.ending]}",
        "",
        _head(report, say),
        "",
        f"## {say['found']}",
        "",
        *(f"{n}. {_cause(cause)}" for n, cause in enumerate(report.diagnosis.causes, 1)),
        "",
        f"### {say['evidence']}",
        "",
        *(line for evidence in top.evidence for line in _evidence(evidence)),
        *_done(report, say, language),
        *_not_done(report, say, language),
        "",
        f"## {say['timeline']}",
        "",
        *_timeline(report, say),
    ]
    return "\n".join(lines) + "\n"


def _head(report: Report, say: dict[str, str]) -> str:
    seen = _moment(report.incident.first_seen)
    parts = [report.incident.id, report.diagnosis.severity, f"{seen} UTC" if seen else ""]
    if (seconds := report.seconds_to_recover) is not None:
        parts.append(say["well_after"].format(seconds))
    return " · ".join(part for part in parts if part)


def _cause(cause: Cause) -> str:
    parts = (f"**{cause.name}**", _code(cause.culprit), cause.component, f"{cause.confidence:.0%}")
    return " · ".join(part for part in parts if part)


def _evidence(evidence: Evidence) -> list[str]:
    """One line as code, several as a block."""
    lines = [line for line in evidence.excerpt[:600].splitlines() if line.strip()]
    if len(lines) < 2:
        return [f"- {_code(evidence.source)}: {_code(''.join(lines))}"]
    fence = "~" * (max((len(run) for run in re.findall(r"~+", evidence.excerpt)), default=0) + 3)
    return [f"- {_code(evidence.source)}:", "", *(f"  {x}" for x in (fence, *lines, fence)), ""]


def _done(report: Report, say: dict[str, str], language: Language) -> list[str]:
    lines = ["", f"## {say['done']}", ""]
    if not report.attempts:
        return [*lines, say["changed_nothing"]]
    for attempt in report.attempts:
        proposal = next(p for p in report.plan.proposals if p.remedy == attempt.remedy)
        ending = "✔" if attempt.kept else "↩"
        lines += [f"{ending} **{attempt.remedy}**: {plain(proposal.why.say(language))}", ""]
        lines += [f"### {say['effects']}", ""]
        lines += [_effect(effect) for effect in proposal.effects]
        lines += ["", f"### {say['proof']}", ""]
        lines += _checks(attempt.proof, say)
    return lines


def _effect(effect: Effect) -> str:
    before, after = (_SHA256.sub(r"\1", text or "-") for text in (effect.before, effect.after))
    if effect.before is None and effect.detail.get("after") == "any":  # only that it may change
        return f"- {effect.kind} {_code(effect.subject)}"
    return f"- {effect.kind} {_code(effect.subject)}: {plain(before)} → {plain(after)}"


def _checks(proof: Proof, say: dict[str, str]) -> list[str]:
    """The reasons have a column only when there are some."""
    rows = [("✔" if c.passed else "✘", c.name, "" if c.passed else c.why) for c in proof.checks]
    if proof.holds:
        return table(("", say["check"]), [row[:2] for row in rows])
    return table(("", say["check"], say["why"]), rows)


def _not_done(report: Report, say: dict[str, str], language: Language) -> list[str]:
    if not report.plan.rejected:
        return []
    rows = (f"- {r.remedy}: {plain(r.why.say(language))}" for r in report.plan.rejected)
    return ["", f"## {say['not']}", "", *rows]


def _timeline(report: Report, say: dict[str, str]) -> list[str]:
    rows = [
        (_moment(s.at), _after(report.timeline[0].at, s.at), s.state, s.reason)
        for s in report.timeline
    ]
    return table((say["time"], say["after"], say["state"], say["reason"]), rows)


def _moment(at: str) -> str:
    """A time for people, to the second, in UTC."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else ""


def _after(first: str, at: str) -> str:
    return f"{(datetime.fromisoformat(at) - datetime.fromisoformat(first)).total_seconds():.1f} s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; no cell is acted on."""
    width = len(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * width]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|")


def plain(text: str) -> str:
    """*text* on one line, with what Markdown or HTML would act on made harmless."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def _code(text: str) -> str:
    """*text* on one line, as code: nothing in it is acted on."""
    flat = " ".join(text.replace("`", "'").split())
    return f"`{flat}`" if flat else ""
