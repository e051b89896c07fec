"""Reports: an artifact in Prefect's UI, and files as Markdown, HTML and JSON, in two languages."""

from html import escape

from markdown_it import MarkdownIt
from prefect.artifacts import create_markdown_artifact

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report, Settled, markdown
from autoloop.core.words import Language
from autoloop.core.work import Work
from autoloop.settings import settings
from tasks.step import step
from tasks.target import ledger

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


@step()
def write_report(work: Work, diagnosis: Diagnosis, plan: Plan, attempts: list[Settled]) -> Report:
    """Write the report of the incident where people look for it."""
    report = Report(
        incident=ledger().incident(work.id),
        diagnosis=diagnosis,
        plan=plan,
        attempts=tuple(attempts),
        timeline=ledger().timeline(work.id),
    )
    write_files(report)
    create_markdown_artifact(markdown(report), key=f"report-{work.id}", description=work.app)
    return report


def write_files(report: Report) -> None:
    """Put the files of *report* into the platform's report folder."""
    folder = settings().reports
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = report.incident.id
    (folder / f"{name}.json").write_text(report.model_dump_json(indent=1), "utf-8")
    languages: tuple[Language, ...] = ("en", "zh")
    for language in languages:
        text = markdown(report, language)
        ending = "" if language == "en" else ".zh"
        (folder / f"{name}{ending}.md").write_text(text, "utf-8")
        (folder / f"{name}{ending}.html").write_text(page(name, language, rendered(text)), "utf-8")


def rendered(text: str) -> str:
    """Markdown as HTML; HTML in it stays text."""
    return str(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))


def page(title: str, language: Language, body: str) -> str:
    """A whole page of *body*, which is HTML."""
    return PAGE.format(language=language, title=escape(title), body=body)
