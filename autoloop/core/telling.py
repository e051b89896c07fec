"""A report in words and tables, as Markdown, in English or Chinese.

What somebody needs who is called at night goes first: what it is, who notices, what to do now. Then
what was found, done and proved, what was not done, how to undo it, and the whole course of it.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from autoloop.core.diagnosis import UNKNOWN, Cause, Evidence
from autoloop.core.effect import Effect
from autoloop.core.impact import Traffic
from autoloop.core.incident import how_reported
from autoloop.core.markdown import block, code, plain, table
from autoloop.core.phrases import translated
from autoloop.core.proof import Proof
from autoloop.core.redact import harmless, redact
from autoloop.core.remedy import Proposal
from autoloop.core.report import Report, Settled
from autoloop.core.runbook import Command
from autoloop.core.taxonomy import meaning
from autoloop.core.words import Language, Words

TITLES = {
    "happened": Words(en="What happened", zh="事件经过"),
    "impact": Words(en="Impact", zh="影响"),
    "found": Words(en="Root cause", zh="根本原因"),
    "evidence": Words(en="Evidence", zh="证据"),
    "against": Words(en="Against it", zh="反面证据"),
    "others": Words(en="Also considered", zh="其他可能原因"),
    "todo": Words(en="What to do now", zh="现在需要做什么"),
    "look": Words(en="To look; nothing is changed:", zh="查看（不做任何更改）："),
    "decide": Words(en="To decide:", zh="处理："),
    "done": Words(en="What was done", zh="处理过程"),
    "restored": Words(en="What restored service", zh="恢复服务的措施"),
    "outage": Words(en="Why it went down", zh="中断原因"),
    "before": Words(en="On the host before it", zh="中断前主机上的记录"),
    "no_reason": Words(en="Nothing on the host tells why.", zh="主机上没有可说明原因的记录。"),
    "proof": Words(en="Proof", zh="验证"),
    "not": Words(en="What was not done, and why", zh="未采取的措施及原因"),
    "undo": Words(en="How to undo it", zh="如何撤销"),
    "no_undo": Words(
        en="What was ended stays ended; nothing else was changed.",
        zh="已结束的进程无法恢复，除此之外没有更改。",
    ),
    "timeline": Words(en="Timeline", zh="时间线"),
    "repaired": Words(en="repaired and proved", zh="已修复并验证"),
    "ordinary": Words(en="nothing to repair", zh="无需修复"),
    "asked": Words(en="a person is asked", zh="需要人工处理"),
    "waits": Words(en="waits for approval", zh="等待批准"),
    "recovered": Words(en="well again, not by a remedy", zh="已恢复正常，并非由修复措施所致"),
    "put_back": Words(en="was not proved and put back", zh="未通过验证，已回滚"),
    "abandoned": Words(en="could not be ended, all is as before", zh="未能完成，已恢复原状"),
    "stuck": Words(
        en="could not be ended, and the host may not be as before: a person is needed",
        zh="未能完成，主机可能未恢复原状：需要人工处理",
    ),
    "person": Words(en="only a person can do this", zh="只能由人工执行"),
    "planned": Words(en="What is planned", zh="计划的措施"),
    "effects": Words(en="Effects", zh="变更"),
    "difference": Words(en="What changed in", zh="文件差异："),
    "changed_nothing": Words(en="Nothing was changed.", zh="未做任何更改。"),
    "noticed_after": Words(en="noticed after {:.1f} s", zh="{:.1f} 秒后发现"),
    "well_after": Words(en="well again after {:.1f} s", zh="{:.1f} 秒后恢复正常"),
    "sure": Words(en="{:.0%} sure", zh="置信度 {:.0%}"),
    "said": Words(en="What was said", zh="报告内容"),
    "events": Words(en="reported {} times", zh="共报告 {} 次"),
    "check": Words(en="Check", zh="检查项"),
    "why": Words(en="Why not", zh="原因"),
    "time": Words(en="Time (UTC)", zh="时间 (UTC)"),
    "after": Words(en="After", zh="用时"),
    "state": Words(en="State", zh="状态"),
    "reason": Words(en="What happened", zh="经过说明"),
    "severity": Words(en="severity", zh="级别"),
    "down": Words(en="not serving", zh="无法服务的组件"),
    "cases": Words(en="failing cases", zh="失败的用例"),
    "requests": Words(en="failed requests", zh="失败的请求"),
    "clients": Words(en="clients affected", zh="受影响的客户端"),
    "since": Words(en="since", zh="开始时间"),
    "latest": Words(en="{} UTC at the latest", zh="不晚于 {} UTC"),
    "last_good": Words(en="last good answer", zh="最后一次正常响应"),
    "data": Words(en="data at risk", zh="数据风险"),
    "no_data": Words(en="none known", zh="未发现"),
    "unknown_number": Words(en="not known: requests come through a front", zh="未知：请求经由前端"),
    "of": Words(
        en="{} of {} ({:.0%}), {} to {} UTC", zh="{1} 个中的 {0} 个（{2:.0%}），{3} 至 {4} UTC"
    ),
    "of_clients": Words(en="{} of {}", zh="{1} 个中的 {0} 个"),
    "endpoint": Words(en="Endpoint", zh="接口"),
    "failed": Words(en="Failed", zh="失败"),
    "all": Words(en="Requests", zh="请求数"),
}
_SHA256 = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{52}\b")
_RAW = ("log of", "text, line", "front log", "meaning")
"""Sources whose words are not ours: they are shown as they are."""


class Teller:
    """Writes one report in one language."""

    def __init__(self, report: Report, language: Language) -> None:
        self.report, self.language = report, language
        self.say = {key: words.say(language) for key, words in TITLES.items()}

    def sections(self) -> list[str]:
        """The whole report, line by line."""
        lines = [*self.head(), *self.impact()]
        if self.report.for_people:
            lines += self.todo()
        lines += [*self.cause(), *self.done(), *self.outage(), *self.not_done(), *self.undo()]
        lines += self.said()
        return [*lines, "", f"## {self.say['timeline']}", "", *self.timeline()]

    def own(self, text: str) -> str:
        """One of the product's own sentences, in this language."""
        return translated(text, self.language)

    def words(self, words: Words) -> str:
        """Words on one line; nothing in them is acted on."""
        return plain(words.say(self.language))

    # -- what happened

    def head(self) -> list[str]:
        """Title, the figures of it, and in one paragraph what it was and how it ended."""
        report, top = self.report, self.report.diagnosis.top
        seen = _moment(report.incident.first_seen)
        parts = [report.incident.id, report.diagnosis.severity, f"{seen} UTC" if seen else ""]
        for key, seconds in (
            ("noticed_after", report.seconds_to_detect),
            ("well_after", report.seconds_to_recover),
        ):
            if seconds is not None:
                parts.append(self.say[key].format(seconds))
        title = f"# {report.incident.app}: {top.name} — {self.say[report.ending]}"
        return [title, "", " · ".join(p for p in parts if p), "", *self.in_short()]

    def in_short(self) -> list[str]:
        """How it came in, what it is, how it ended: a line each."""
        report = self.report
        kept = next((a.remedy for a in report.attempts if a.kept), "")
        ending = f"{kept}: {self.say[report.ending]}" if kept else self.say[report.ending]
        if not report.attempts:
            ending = f"{ending}. {self.say['changed_nothing']}"
        came = self.own(how_reported(report.incident))
        if report.incident.events > 1:
            came += f" ({self.say['events'].format(report.incident.events)})"
        return [f"- {plain(came)}", f"- {self.named(report.diagnosis.top)}", f"- {plain(ending)}"]

    def named(self, cause: Cause) -> str:
        """A cause: what it means, whom it concerns, how sure that is."""
        sure = self.say["sure"].format(cause.confidence) if cause.name != UNKNOWN else ""
        what = f"**{self.words(meaning(cause.name))}**"
        parts = (what, code(cause.name), code(cause.culprit), plain(cause.component), sure)
        return " · ".join(part for part in parts if part)

    # -- who notices

    def impact(self) -> list[str]:
        """Who notices, since when, and what may be lost; nothing when nothing is wrong."""
        diagnosis, impact = self.report.diagnosis, self.report.diagnosis.impact
        if diagnosis.benign:
            return []
        severity = " — ".join(
            x for x in (diagnosis.severity, self.words(diagnosis.why_severe)) if x
        )
        data = "; ".join(self.words(each) for each in impact.data) or self.say["no_data"]
        since = self.since()
        rows = [
            ("severity", severity),
            ("since", since),
            ("down", ", ".join(map(plain, impact.components))),
            ("cases", ", ".join(map(plain, impact.cases_failing))),
            *(self.traffic(impact.traffic) if impact.traffic else ()),
            ("data", data),
        ]
        lines = [f"- {self.say[key]}: {told}" for key, told in rows if told]
        return ["", f"## {self.say['impact']}", "", *lines, *self.endpoints(impact.traffic)]

    def since(self) -> str:
        """When it began: as a log tells, or at the latest when somebody said so or it was found."""
        impact, seen = self.report.diagnosis.impact, self.report.incident.first_seen
        if impact.traffic and impact.traffic.since:
            return f"{_moment(impact.traffic.since)} UTC"
        known = min((_moment(at) for at in (impact.since, seen) if at), default="")
        return self.say["latest"].format(known) if known else ""

    def traffic(self, traffic: Traffic) -> list[tuple[str, str]]:
        """The figures of the access logs."""
        times = (_moment(at)[11:] for at in (traffic.begins, traffic.ends))
        failed = self.say["of"].format(traffic.failed, traffic.requests, traffic.share, *times)
        clients = self.say["unknown_number"]
        if traffic.clients is not None:
            clients = self.say["of_clients"].format(traffic.clients_failed, traffic.clients)
        good = f"{_moment(traffic.last_good)} UTC" if traffic.last_good else ""
        return [("requests", failed), ("clients", clients), ("last_good", good)]

    def endpoints(self, traffic: Traffic | None) -> list[str]:
        """What fails, most first."""
        if traffic is None or not traffic.endpoints:
            return []
        rows = [(e.name, str(e.failed), str(e.requests), _moment(e.since)[11:])
                for e in traffic.endpoints]  # fmt: skip
        return ["", *table([self.say[k] for k in ("endpoint", "failed", "all", "since")], rows)]

    # -- what a person can do

    def todo(self) -> list[str]:
        """The runbook: commands to look, and to decide."""
        report = self.report
        if not (report.look or report.decide):
            return []
        lines = ["", f"## {self.say['todo']}"]
        for key, commands in (("look", report.look), ("decide", report.decide)):
            if commands:
                lines += ["", self.say[key], *self.commands(commands)]
        return lines

    def commands(self, commands: Sequence[Command]) -> list[str]:
        """Lines for a shell, each under what it is for."""
        lines = [
            line
            for one in commands
            for line in (f"# {_flat(one.words.say(self.language))}", _flat(redact(one.line)))
        ]
        return block(lines, language="sh")

    # -- why

    def cause(self) -> list[str]:
        """The most likely cause with what speaks for and against it; then the others."""
        first, *others = self.report.diagnosis.causes
        lines = ["", f"## {self.say['found']}", "", self.named(first)]
        for key, verdicts in (("evidence", ("confirms", "silent")), ("against", ("refutes",))):
            seen = [e for e in first.evidence if e.verdict in verdicts]
            if seen:
                lines += ["", f"### {self.say[key]}", ""]
                lines += [line for each in seen for line in self.evidence(each)]
        if others:
            lines += ["", f"### {self.say['others']}", ""]
            lines += [f"- {self.named(cause)}{self.hint(cause)}" for cause in others[:8]]
        return lines

    def hint(self, cause: Cause) -> str:
        """The first thing that speaks for a cause."""
        seen = next((e for e in cause.evidence if e.excerpt.strip()), None)
        return f": {code(self.excerpt(seen)[:200])}" if seen else ""

    def excerpt(self, evidence: Evidence) -> str:
        """The words of it; ours in this language, those of a log as they are."""
        raw = evidence.source.startswith(_RAW)
        return evidence.excerpt if raw else self.own(evidence.excerpt)

    def evidence(self, evidence: Evidence) -> list[str]:
        """One line as code, several as a block."""
        source, text = code(self.own(evidence.source)), self.excerpt(evidence)[:600]
        lines = [line for line in text.splitlines() if line.strip()]
        if len(lines) < 2:
            return [f"- {source}: {code(''.join(lines))}"]
        return [f"- {source}:", *block(lines, "  ")]

    # -- what was done

    def done(self) -> list[str]:
        """Each attempt with its effects and its proof; without any, the plan that waits."""
        report = self.report
        restored = report.repaired and report.diagnosis.severity == "P0"
        lines = ["", f"## {self.say['restored' if restored else 'done']}", ""]
        if not report.attempts:
            return [*lines, self.say["changed_nothing"], *self.waiting()]
        for attempt, proposal in zip(report.attempts, report.plan.proposals, strict=False):
            lines += self.attempt(attempt, proposal)
        return lines

    def attempt(self, attempt: Settled, proposal: Proposal) -> list[str]:
        """What was changed, line by line where it is text, and what proved it or spoke against."""
        mark, ending = ("✔", "") if attempt.kept else ("↩", f" — {self.say['put_back']}")
        lines = [f"{mark} **{attempt.remedy}**: {self.words(proposal.why)}{ending}", ""]
        lines += [f"### {self.say['effects']}", "", *map(self.effect, proposal.effects)]
        for change in self.report.changes:
            if change.remedy == attempt.remedy and change.lines:
                lines += ["", f"{self.say['difference']} {code(change.path)}"]
                lines += block([_flat(line, keep=True) for line in change.lines], language="diff")
        return [*lines, "", f"### {self.say['proof']}", "", *self.checks(attempt.proof), ""]

    def outage(self) -> list[str]:
        """What the host told afterwards, where service was restored first."""
        outage = self.report.outage
        if outage is None:
            return []
        lines = ["", f"## {self.say['outage']}", ""]
        if not outage.reasons:
            lines.append(plain(outage.error) or self.say["no_reason"])
        for reason in outage.reasons:
            lines.append(f"- {self.named(reason.cause)}: {self.words(reason.words)}")
        if outage.before:
            rows = [(_moment(e.at), self.own(e.source), e.excerpt) for e in outage.before]
            head = (self.say["time"], "", self.say["reason"])
            lines += ["", f"### {self.say['before']}", "", *table(head, rows)]
        return lines

    def waiting(self) -> list[str]:
        """The plan that a person decides about."""
        if self.report.ending != "waits":
            return []
        return ["", f"## {self.say['planned']}", "", *self.planned()]

    def planned(self) -> list[str]:
        """Each proposal with what it would change."""
        lines: list[str] = []
        for proposal in self.report.plan.proposals:
            lines += [f"**{proposal.remedy}** ({proposal.risk}): {self.words(proposal.why)}", ""]
            lines += [*map(self.effect, proposal.effects), ""]
        return lines

    def effect(self, effect: Effect) -> str:
        """What is another than before."""
        before, after = (_SHA256.sub(r"\1", text or "-") for text in (effect.before, effect.after))
        what = f"- {self.own(effect.kind)} {code(effect.subject)}"
        if effect.before is None and effect.detail.get("after") == "any":  # only that it may change
            return what
        return f"{what}: {plain(self.own(before))} → {plain(self.own(after))}"

    def checks(self, proof: Proof) -> list[str]:
        """The reasons have a column only when there are some."""
        rows = [
            ("✔" if c.passed else "✘", self.own(c.name), "" if c.passed else self.own(c.why))
            for c in proof.checks
        ]
        if proof.holds:
            return table(("", self.say["check"]), [row[:2] for row in rows])
        return table(("", self.say["check"], self.say["why"]), rows)

    def not_done(self) -> list[str]:
        """What was refused, and what only a person can do."""
        unseen = [f"- {self.words(self.report.unseen)}"] if self.report.unseen else []
        rows = unseen + [
            f"- {r.remedy}: {self.words(r.why)}" + (f" ({self.say['person']})" if r.person else "")
            for r in self.report.plan.rejected
        ]
        return ["", f"## {self.say['not']}", "", *rows] if rows else []

    def undo(self) -> list[str]:
        """How what was kept is taken back."""
        if not self.report.repaired:
            return []
        lines = ["", f"## {self.say['undo']}"]
        if not self.report.undo:
            return [*lines, "", self.say["no_undo"]]
        return [*lines, *self.commands(self.report.undo)]

    # -- as it came in, and as it went

    def said(self) -> list[str]:
        """The words it was reported with, and the fields beside them; health checks say none."""
        incident = self.report.incident
        lines = [f"- {code(name)}: {code(value)}" for name, value in incident.fields.items()]
        text = [line for line in incident.text[:2000].splitlines() if line.strip()]
        if incident.source == "health" or not (lines or text):
            return []
        return ["", f"## {self.say['said']}", "", *lines, *(block(text[:30]) if text else [])]

    def timeline(self) -> list[str]:
        """Every step, with the time since the first."""
        rows = [
            (
                _moment(step.at),
                _after(self.report.timeline[0].at, step.at),
                self.own(step.state),
                self.own(step.reason),
            )
            for step in self.report.timeline
        ]
        return table([self.say[key] for key in ("time", "after", "state", "reason")], rows)


def markdown(report: Report, language: Language = "en") -> str:
    """The report as Markdown; nothing in it is acted on, by a page or by a terminal."""
    lines = Teller(report, language).sections()
    told = [line for line, before in zip(lines, ["", *lines], strict=False) if line or before]
    return harmless("\n".join(told)) + "\n"


def proposed(report: Report, languages: Sequence[Language] = ("en", "zh")) -> str:
    """What a person is asked to approve, as Markdown, in one language after the other."""
    lines = (line for each in languages for line in Teller(report, each).planned())
    return harmless("\n".join(lines))


def _flat(text: str, keep: bool = False) -> str:
    """*text* as one line; with *keep*, its spaces stay."""
    return " ".join(text.splitlines()) if keep else " ".join(text.split())


def _time(at: str) -> datetime:
    return datetime.fromisoformat(at)


def _moment(at: str) -> str:
    """A time for people, to the second, in UTC."""
    return f"{_time(at).astimezone(UTC):%Y-%m-%d %H:%M:%S}" if at else ""


def _after(first: str, at: str) -> str:
    return f"{(_time(at) - _time(first)).total_seconds():.1f} s"
