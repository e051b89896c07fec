"""Mail to people: written down first, sent once, tried again while the mail server is away."""

import logging

from autoloop.core.deployment import Comparison, Deployment
from autoloop.core.errors import MailNotSent
from autoloop.core.letter import TOLD, Letter, body, letter_id, report_subject, subject_of
from autoloop.core.markdown import plain
from autoloop.core.redact import redact
from autoloop.core.report import Report
from autoloop.core.telling import TITLES, markdown
from autoloop.core.words import Frozen, Language, Words
from autoloop.core.work import Work
from autoloop.ledger.outbox import Outbox
from autoloop.ledger.store import Ledger
from autoloop.settings import settings
from blocks.mailbox import Mailbox
from tasks.deployment import Abandoned
from tasks.report import page, rendered, write_files
from tasks.step import step
from tasks.target import ledger

log = logging.getLogger("autoloop.mail")


class Told(Frozen):
    """Whether people were written to: the letter's name, and what became of it."""

    letter: str = ""
    sent: bool = False
    why: str = ""


def mailbox() -> Mailbox | None:
    """The mail server of the settings, if there is one."""
    chosen = settings()
    if not chosen.smtp_host:
        return None
    return Mailbox(
        host=chosen.smtp_host,
        port=chosen.smtp_port,
        tls=chosen.smtp_tls,
        ca=chosen.smtp_ca,
        user=chosen.smtp_user,
        password=chosen.smtp_password.get_secret_value(),
        sender=chosen.smtp_from or chosen.smtp_user,
        to=tuple(chosen.smtp_to.split(", ")),
    )


@step(retries=3, timeout_s=90)
def tell_people(work: Work, report: Report) -> Told:
    """Mail the report of an incident that is closed or that a person is asked about; once."""
    letter = put_report(ledger(), report)
    return _sent_now(letter)


@step(retries=3, timeout_s=90)
def tell_of_deployment(work: Work, ended: Deployment) -> Told:
    """Mail that a deployment, or a restoration, was put back; what was kept needs no mail."""
    if ended.kept or mailbox() is None:
        return Told(why="it was kept" if ended.kept else "no mail server is set")
    letter = deployment_letter(work, ended)
    Outbox(ledger()).put(letter)
    return _sent_now(letter)


@step(retries=3, timeout_s=90)
def tell_of_abandoned(work: Work, comparison: Comparison, left: Abandoned) -> Told:
    """Mail that a deployment could not be ended, and what is so on the host."""
    if mailbox() is None:
        return Told(why="no mail server is set")
    ending = "abandoned" if left.as_before else "stuck"
    letter = _of_deployment(
        work, Ending(app=comparison.app, what=comparison.what, how=ending, why=left.why)
    )
    Outbox(ledger()).put(letter)
    return _sent_now(letter)


def put_report(book: Ledger, report: Report) -> Letter | None:
    """Put the letter of an ended incident into the outbox, once for each ending."""
    record = book.record(report.incident.id)
    if mailbox() is None or record["state"] not in TOLD:
        return None
    letter = report_letter(report, letter_id(record["id"], record["state"], record["ended"]))
    Outbox(book).put(letter)
    return letter


def tell_of_recovery(number: str) -> None:
    """Bring the report of an incident up to date that a person was asked about and is over now;
    its letter is sent by the node, so no look at an application waits for a mail server."""
    path = settings().reports / f"{number}.json"
    if not path.exists():
        return
    written = Report.model_validate_json(path.read_text("utf-8"))
    now = {"incident": ledger().incident(number), "timeline": ledger().timeline(number)}
    report = written.model_copy(update=now)
    write_files(report)
    put_report(ledger(), report)


def _sent_now(letter: Letter | None) -> Told:
    if letter is None:
        return Told(why="no mail server is set, or nothing to tell")
    trouble = post(ledger(), letter.id)
    why = "was told before, or is told later" if trouble is None else trouble
    return Told(letter=letter.id, sent=trouble == "", why=why)


def post(book: Ledger, number: str = "") -> str | None:
    """Send one letter that is due; what went wrong, "" when nothing did, None when none was due."""
    box, outbox = mailbox(), Outbox(book)
    claimed = outbox.claim(number) if box else None
    if box is None or claimed is None:
        return None
    letter, tried = claimed
    try:
        refused = box.send(letter)
    except MailNotSent as error:
        given_up = outbox.failed(letter.id, str(error))
        log.warning("%s: %s", letter.id, error)
        if given_up:
            _note(book, letter, f"the mail was given up: {error.what}")
        elif not tried:
            _note(book, letter, f"the mail is not sent yet, and tried again: {error.what}")
        return str(error)
    outbox.sent(letter.id)
    refusals = f"; refused: {', '.join(refused)}" if refused else ""
    _note(book, letter, f"mailed the report{refusals}")
    return ""


def _note(book: Ledger, letter: Letter, line: str) -> None:
    """In the incident's timeline; a deployment has none."""
    if letter.about.startswith("i-"):
        book.note(letter.about, line)


def report_letter(report: Report, number: str) -> Letter:
    """The letter of a report: in one language, or in both, one below the other."""
    languages = settings().languages
    texts = {language: markdown(report, language) for language in languages}
    subject = report_subject(report, languages[0])
    return _letter(number, report.incident.id, subject, texts)


class Ending(Frozen):
    """How a deployment ended: *how* is a key of `TITLES`."""

    app: str
    what: str
    how: str
    why: str
    changes: Words = Words(en="")


def deployment_letter(work: Work, ended: Deployment) -> Letter:
    """The letter of a deployment that was put back."""
    what = (
        f"backup {ended.release}" if work.id.startswith("r-") else f"release {ended.release[:12]}"
    )
    changes = Words(
        en=f"{ended.new} new, {ended.modified} modified, {ended.deleted} deleted",
        zh=f"新增 {ended.new}，修改 {ended.modified}，删除 {ended.deleted}",
    )
    ending = Ending(app=ended.app, what=what, how="put_back", why=ended.why, changes=changes)
    return _of_deployment(work, ending)


def _of_deployment(work: Work, ending: Ending) -> Letter:
    languages, words = settings().languages, TITLES[ending.how]
    subject = subject_of(ending.app, ending.what, words, work.id, languages[0])
    texts = {language: _deployed(ending, language) for language in languages}
    name = letter_id(work.id, ending.how.replace("_", " "), "")
    return _letter(name, work.id, subject, texts)


def _deployed(ending: Ending, language: Language) -> str:
    title, changes = TITLES[ending.how].say(language), ending.changes.say(language)
    lines = [
        f"# {ending.app}: {ending.what} — {title}",
        f"{TITLES['why'].say(language)}: {plain(redact(ending.why))}",
        *([f"{TITLES['effects'].say(language)}: {changes}"] if changes else []),
    ]
    return "\n\n".join(lines) + "\n"


def _letter(number: str, about: str, subject: str, texts: dict[Language, str]) -> Letter:
    text = "\n---\n\n".join(texts.values())
    html = page(subject, next(iter(texts)), "<hr>".join(map(rendered, texts.values())))
    return Letter(id=number, about=about, subject=subject, text=body(text), html=body(html))
