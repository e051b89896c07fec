"""The report of an incident or a deployment: what happened, in words and tables."""

from collections.abc import Sequence
from datetime import datetime

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.incident import Incident, Transition
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
    "effects": Words(en="Effects", zh="变更"),
    "changed_nothing": Words(en="Nothing was changed.", zh="未做任何更改。"),
}


def markdown(report: Report, language: Language = "en") -> str:
    """The report as Markdown."""
    say = {key: words.say(language) for key, words in TITLES.items()}
    ending = "repaired" if report.repaired else "ordinary" if report.diagnosis.benign else "asked"
    top = report.diagnosis.top
    lines = [
        f"# {report.incident.app}: {top.name} — {say[ending]}",
        "",
        f"{report.incident.id} · {report.diagnosis.severity} · {report.incident.first_seen}",
        "",
        f"## {say['found']}",
        "",
        *(
            f"{n}. **{c.name}** {_code(c.culprit)} {c.component} ({c.confidence:.2f})"
            for n, c in enumerate(report.diagnosis.causes, 1)
        ),
        "",
        f"### {say['evidence']}",
        "",
        *(f"- {_code(e.source)}: {_quoted(e.excerpt)}" for e in top.evidence),
        *_done(report, say, language),
        *_not_done(report, say, language),
        "",
        f"## {say['timeline']}",
        "",
        *_table(("", "", ""), [(s.at, s.state, s.reason) for s in report.timeline]),
    ]
    return "\n".join(lines) + "\n"


def _done(report: Report, say: dict[str, str], language: Language) -> list[str]:
    lines = ["", f"## {say['done']}", ""]
    if not report.attempts:
        return [*lines, say["changed_nothing"]]
    for attempt in report.attempts:
        proposal = next(p for p in report.plan.proposals if p.remedy == attempt.remedy)
        ending = "✔" if attempt.kept else "↩"
        lines += [f"{ending} **{attempt.remedy}**: {_plain(proposal.why.say(language))}", ""]
        lines += [f"### {say['effects']}", ""]
        lines += [f"- {_plain(str(effect))}" for effect in proposal.effects]
        lines += ["", f"### {say['proof']}", ""]
        rows = [("✔" if c.passed else "✘", c.name, "" if c.passed else c.why)
                for c in attempt.proof.checks]  # fmt: skip
        lines += _table(("", "", ""), rows)
    return lines


def _not_done(report: Report, say: dict[str, str], language: Language) -> list[str]:
    if not report.plan.rejected:
        return []
    rows = (f"- {r.remedy}: {_plain(r.why.say(language))}" for r in report.plan.rejected)
    return ["", f"## {say['not']}", "", *rows]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    width = len(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * width]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _plain(text: str) -> str:
    """*text* on one line, with what Markdown or HTML would act on made harmless."""
    flat = " ".join(text.split())
    for mark in ("\\", "`", "*", "_", "<", ">", "[", "]"):
        flat = flat.replace(mark, f"&#{ord(mark)};")
    return flat


def _code(text: str) -> str:
    return f"`{text.replace('`', '')}`" if text else ""


def _quoted(text: str) -> str:
    return _code(" ⏎ ".join(line for line in text.splitlines() if line.strip())[:600])
