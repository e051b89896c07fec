"""Reports: an artifact in Prefect's UI, and files as Markdown, HTML and JSON, in two languages."""

import hashlib
import tempfile
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from prefect.artifacts import create_markdown_artifact

from autoloop.core.app import AppSpec
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.difference import Change, difference
from autoloop.core.errors import AutoloopError
from autoloop.core.outage import Outage
from autoloop.core.plan import Plan
from autoloop.core.report import Report, Settled
from autoloop.core.runbook import Command, to_decide, to_look, to_undo, unseen
from autoloop.core.target import Answer, ChangeFiles, FileState, Read
from autoloop.core.telling import markdown
from autoloop.core.words import Language, Words
from autoloop.core.work import Work
from autoloop.settings import settings
from tasks.step import step
from tasks.target import ledger, session_of, spec_of

PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>
body{{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;
padding:0 1rem;color:#1c2430;background:#fff;overflow-wrap:anywhere}}
h1{{font-size:1.5rem}}h2{{font-size:1.2rem;border-bottom:1px solid #d8dee6;margin-top:2rem}}
h3{{font-size:1rem;margin-bottom:.4rem}}ul,ol{{margin:.4rem 0}}
code{{background:#f2f4f7;padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere;font-size:.9em}}
pre{{background:#f2f4f7;padding:.6rem .8rem;border-radius:4px;overflow-x:auto;line-height:1.4}}
pre code{{background:none;padding:0;overflow-wrap:normal}}
table{{border-collapse:collapse}}th{{text-align:left;font-weight:600;color:#667282}}
th,td{{padding:.25rem 1rem .25rem 0;border-bottom:1px solid #e4e8ee;vertical-align:top}}
td:first-child{{white-space:nowrap}}
@media(prefers-color-scheme:dark){{body{{background:#14181f;color:#dde3ea}}
code,pre{{background:#222936}}h2,th,td{{border-color:#323b49}}th{{color:#97a3b3}}}}
</style></head><body>{body}</body></html>
"""


FILES, TEXT_LIMIT = 10, 64 << 10
"""So many files, of at most so many bytes, are shown line by line."""


@step()
def write_report(
    work: Work,
    diagnosis: Diagnosis,
    plan: Plan,
    attempts: list[Settled],
    outage: Outage | None = None,
) -> Report:
    """Write the report of the incident where people look for it."""
    report = Report(
        incident=ledger().incident(work.id),
        diagnosis=diagnosis,
        plan=plan,
        attempts=tuple(attempts),
        timeline=ledger().timeline(work.id),
        outage=outage,
    )
    changes = changes_of(work, plan, attempts)
    report = with_commands(report.model_copy(update={"changes": changes}), spec_of(work))
    write_files(report)
    create_markdown_artifact(markdown(report), key=f"report-{work.id}", description=work.app)
    return report


def with_commands(report: Report, spec: AppSpec) -> Report:
    """The report with what people can type: to look and decide, or to undo."""
    undo: list[Command] = []
    for proposal, attempt in zip(report.plan.proposals, report.attempts, strict=False):
        undo += to_undo(spec, proposal, attempt.backup) if attempt.kept else ()
    update: dict[str, tuple[Command, ...] | Words] = {"undo": tuple(undo)}
    if report.diagnosis.benign and report.incident.source != "health":
        update["unseen"] = unseen(spec, report.incident)
    if report.for_people:
        update["look"] = to_look(spec, report.diagnosis)
        update["decide"] = to_decide(spec, report.incident)
    return report.model_copy(update=update)


def changes_of(work: Work, plan: Plan, attempts: list[Settled]) -> tuple[Change, ...]:
    """What the attempts changed in files, line by line, from the contents that the host keeps.

    A host that does not answer now has no share in the report.
    """
    wanted = [
        (proposal.remedy, change)
        for proposal, _ in zip(plan.proposals, attempts, strict=False)
        for planned in proposal.actions
        if isinstance(planned.action, ChangeFiles)
        for change in planned.action.changes
        if "file" in (change.before.kind, change.after.kind)
    ][:FILES]
    reads = [_content(side) for _, c in wanted for side in (c.before, c.after)]
    try:
        texts = [_text(answer) for answer in session_of(work).observe(reads)] if reads else []
    except AutoloopError:
        return ()
    pairs = zip(texts[::2], texts[1::2], strict=True)
    return tuple(
        Change(remedy=remedy, path=change.path, lines=difference(before, after))
        for (remedy, change), (before, after) in zip(wanted, pairs, strict=True)
    )


def _content(state: FileState) -> Read:
    sha = state.sha256 or hashlib.sha256(b"").hexdigest()
    return Read(op="content", args={"sha256": sha, "limit": TEXT_LIMIT})


def _text(answer: Answer) -> str:
    return str(answer.value["text"]) if answer.ok else ""


def write_files(report: Report) -> None:
    """Put the files of *report* into the platform's report folder, each whole or not at all."""
    folder = settings().reports
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = report.incident.id
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        text = markdown(report, language)
        ending = "" if language == "en" else ".zh"
        _put(folder / f"{name}{ending}.md", text)
        _put(folder / f"{name}{ending}.html", page(name, language, rendered(text)))
    _put(folder / f"{name}.json", report.model_dump_json(indent=1))  # last: it is waited for


def _put(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="replace", dir=path.parent, prefix=".", delete=False
    ) as out:
        out.write(text)
    Path(out.name).replace(path)


def rendered(text: str) -> str:
    """Markdown as HTML; HTML in it stays text."""
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def page(title: str, language: Language, body: str) -> str:
    """A whole page of *body*, which is HTML."""
    return PAGE.format(language=language, title=escape(title), body=body)
