"""Mail through a real SMTP server: plain, encrypted, logged in, away and back."""

import asyncio
import base64
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from autoloop import settings as chosen
from autoloop.arena.ports import free_port
from autoloop.core.deployment import Comparison, Deployment
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.errors import BadSpec, MailNotSent
from autoloop.core.incident import State, request_of
from autoloop.core.letter import Letter
from autoloop.core.plan import Plan
from autoloop.core.proof import Proof
from autoloop.core.report import Report
from autoloop.core.work import Work
from autoloop.ledger import outbox
from autoloop.ledger.store import Ledger
from blocks.mailbox import Mailbox
from tasks import mail
from tasks.deployment import Abandoned

pytestmark = pytest.mark.integration
PASSWORD = "corr3ct-h0rse"
LETTER = Letter(id="i-1.closed.1", about="i-1", subject="s", text="t", html="<p>t</p>")


class Post:
    """What arrived, as bytes; an address that begins with "no" is refused."""

    def __init__(self) -> None:
        self.arrived: list[bytes] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the recipient or not."""
        if address.startswith("no"):
            return "550 nobody of that name"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep it."""
        assert isinstance(envelope.content, bytes)
        self.arrived.append(envelope.content)
        return "250 taken"

    def messages(self) -> list[EmailMessage]:
        """Parsed."""
        found = [message_from_bytes(raw, policy=policy.default) for raw in self.arrived]
        assert all(isinstance(one, EmailMessage) for one in found)
        return found  # type: ignore[return-value]


def authenticate(_server: Any, _session: Any, _envelope: Any, mechanism: str, data: Any) -> Any:
    """One account; a wrong password is said back, as careless servers do."""
    assert isinstance(data, LoginPassword)
    if (data.login, data.password) == (b"ops", PASSWORD.encode()):
        return AuthResult(success=True)
    said = f"535 not {data.password.decode()}"
    return AuthResult(success=False, handled=False, message=said)


@contextmanager
def server(post: Post, port: int = 0, **more: Any) -> Iterator[int]:
    """A mail server; its port."""
    controller = Controller(post, hostname="127.0.0.1", port=port or free_port(), **more)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of 127.0.0.1 in one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    today = datetime.datetime.now(datetime.UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(1))
        .not_valid_after(today + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    """The server's side."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate)
    return made


def box(port: int, **more: Any) -> Mailbox:
    """A mailbox at that port."""
    given = {"tls": "none", "to": ("a@x.test",), "deadline_s": 3.0, **more}
    return Mailbox(host="127.0.0.1", port=port, sender="loop@x.test", **given)


# ---- ways to a server


def test_a_plain_letter_arrives_with_both_forms() -> None:
    """Text and HTML, and headers that name it."""
    post = Post()
    letter = LETTER.model_copy(update={"text": "已修复\n" + "x" * 2000, "subject": "店 — ok"})
    with server(post) as port:
        assert box(port, to=("a@x.test", "b@x.test")).send(letter) == ()
    (got,) = post.messages()
    plain, html = got.get_body(("plain",)), got.get_body(("html",))
    assert plain is not None and html is not None
    assert plain.get_content().splitlines() == ["已修复", "x" * 2000]
    assert html.get_content().strip() == "<p>t</p>"
    assert (got["Subject"], got["Message-ID"]) == ("店 — ok", "<i-1.closed.1@x.test>")
    assert got["To"] == "a@x.test, b@x.test"
    assert max(map(len, post.arrived[0].splitlines())) < 999
    assert post.arrived[0].isascii()


def test_starttls_with_a_login(context: ssl.SSLContext, certificate: Path) -> None:
    """As most servers want it."""
    post = Post()
    more = {"tls_context": context, "require_starttls": True, "authenticator": authenticate}
    with server(post, auth_required=True, **more) as port:
        given = {"tls": "starttls", "ca": str(certificate), "user": "ops"}
        box(port, password=PASSWORD, **given).send(LETTER)
        with pytest.raises(MailNotSent, match="535") as wrong:
            box(port, password="hunter2", **given).send(LETTER)
    assert len(post.arrived) == 1
    assert "hunter2" not in str(wrong.value)


def test_tls_from_the_first_byte(context: ssl.SSLContext, certificate: Path) -> None:
    """The old way, on a port of its own."""
    post = Post()
    # the start of aiosmtpd speaks plain text to its own port, so the server is made by hand
    controller = Controller(post, hostname="127.0.0.1", port=free_port(), ssl_context=context)
    controller.start()
    try:
        box(controller.port, tls="tls", ca=str(certificate)).send(LETTER)
    finally:
        controller.stop()
    assert len(post.arrived) == 1


def test_nothing_is_sent_over_less_than_was_asked_for(context: ssl.SSLContext) -> None:
    """No STARTTLS, or a certificate that nobody vouches for: no letter, no password."""
    post = Post()
    with server(post) as port, pytest.raises(MailNotSent, match="STARTTLS"):
        box(port, tls="starttls", user="ops", password=PASSWORD).send(LETTER)
    with server(post, tls_context=context) as port, pytest.raises(MailNotSent, match="certificate"):
        box(port, tls="starttls").send(LETTER)
    assert post.arrived == []


def test_who_is_refused_is_told_and_the_others_have_it() -> None:
    """Only when nobody is left the letter is not sent."""
    post = Post()
    with server(post) as port:
        assert box(port, to=("no@x.test", "a@x.test")).send(LETTER) == ("no@x.test",)
        with pytest.raises(MailNotSent, match=r"no@x\.test: 550 nobody of that name"):
            box(port, to=("no@x.test",)).send(LETTER)
    assert len(post.arrived) == 1


def drip(listener: socket.socket, stop: threading.Event) -> None:
    """A server that says one letter now and then."""
    connection, _ = listener.accept()
    with connection:
        while not stop.wait(0.1):
            try:
                connection.sendall(b"2")
            except OSError:
                return


def test_a_server_that_never_finishes_holds_nobody_up() -> None:
    """The deadline is for the whole letter, not for each word."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener, stop))
        thread.start()
        began = time.monotonic()
        with pytest.raises(MailNotSent):
            box(listener.getsockname()[1], deadline_s=0.7).send(LETTER)
        assert time.monotonic() - began < 3
        stop.set()
        thread.join()


# ---- incidents


@pytest.fixture
def port() -> int:
    """Where the server will be."""
    return free_port()


@pytest.fixture
def book(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """A platform that mails."""
    more = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none", "FROM": "loop@x.test"}
    for name, value in {**more, "TO": "a@x.test, b@x.test"}.items():
        monkeypatch.setenv(f"AUTOLOOP_SMTP_{name}", value)
    monkeypatch.setenv("AUTOLOOP_HOME", str(tmp_path))
    chosen.settings.cache_clear()
    made = Ledger(chosen.settings().database_url)
    monkeypatch.setattr(mail, "ledger", lambda: made)
    yield made
    made.engine.dispose()
    chosen.settings.cache_clear()


def asked(book: Ledger, culprit: str = "", state: State = State.ASKED) -> Report:
    """An incident that has ended."""
    incident, _ = book.open_incident(request_of("shop", "502"))
    book.move(incident.id, state, "x")
    found = Diagnosis(causes=(Cause(name="SERVICE.service_down", culprit=culprit, confidence=0.9),))
    return Report(
        incident=book.incident(incident.id),
        diagnosis=found,
        plan=Plan(incident=incident.id),
        timeline=book.timeline(incident.id),
    )


def tell(book: Ledger, report: Report) -> mail.Told:
    """The step, without Prefect."""
    told: mail.Told = mail.tell_people.fn(Work(id=report.incident.id, app="shop"), report)
    return told


def reasons(book: Ledger, report: Report) -> list[str]:
    """The timeline's words."""
    return [step.reason for step in book.timeline(report.incident.id)]


def test_an_ending_is_mailed_once_however_often_it_is_told(book: Ledger, port: int) -> None:
    """A step that runs again, a node that drains: one letter."""
    post, report = Post(), asked(book)
    with server(post, port):
        assert tell(book, report).sent
        assert not tell(book, report).sent
        mail.put_report(book, report)
        assert mail.post(book) is None
    (got,) = post.messages()
    number = report.incident.id
    assert got["Subject"] == f"[autoloop] shop: SERVICE.service_down — a person is asked ({number})"
    assert got["Message-ID"].startswith(f"<{number}.asked-a-person.")
    text = got.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert text.index("Root cause") < text.index("根本原因")
    assert reasons(book, report)[-1] == "mailed the report"


def test_a_server_that_was_away_gets_it_when_it_is_back(
    book: Ledger, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The repair goes on; the incident says what happened; the node sends it later, once."""
    monkeypatch.setattr(outbox, "retry_after", lambda *_: 0.0)
    report, post = asked(book), Post()
    told = tell(book, report)
    assert (told.sent, "Connection refused" in told.why) == (False, True)
    assert mail.post(book)
    notes = [r for r in reasons(book, report) if "the mail is not sent yet" in r]
    assert len(notes) == 1
    with server(post, port):
        assert mail.post(book) == ""
        assert mail.post(book) is None
    assert len(post.arrived) == 1
    assert reasons(book, report)[-1] == "mailed the report"


def test_the_node_sends_what_waits(
    book: Ledger, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As soon as the server is back; one look in between fails and ends nothing."""
    from autoloop.platform import dispatch

    monkeypatch.setattr(outbox, "retry_after", lambda *_: 0.0)
    monkeypatch.setattr(dispatch, "POST_S", 0.05)
    mail.put_report(book, asked(book))
    post = Post()

    async def story() -> None:
        node = asyncio.create_task(dispatch.deliver(book))
        await asyncio.sleep(0.3)
        with server(post, port):
            while not post.arrived:
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
        node.cancel()

    asyncio.run(asyncio.wait_for(story(), 20))
    assert len(post.arrived) == 1


def test_another_ending_of_the_same_incident_is_another_letter(book: Ledger, port: int) -> None:
    """Well again, after a person was asked."""
    from tasks.report import write_files

    post, report = Post(), asked(book)
    write_files(report)
    with server(post, port):
        tell(book, report)
        book.move(report.incident.id, State.CLOSED, "well again; not by a remedy")
        mail.tell_of_recovery(report.incident.id)
        assert mail.post(book) == ""
        mail.tell_of_recovery(report.incident.id)
        assert mail.post(book) is None
    first, second = post.messages()
    assert "well again, not by a remedy" in second["Subject"]
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]


def test_a_hostile_cause_adds_no_header(book: Ledger, port: int) -> None:
    """A subject is one line, and HTML in a report stays text."""
    post, report = Post(), asked(book, "X\r\nBcc: evil@x.test\r\n\r\n<script>")
    with server(post, port):
        assert tell(book, report).sent
    (got,) = post.messages()
    assert got["Bcc"] is None
    assert "Bcc: evil@x.test" in got["Subject"]
    assert "<script>" not in got.get_body(("html",)).get_content()  # type: ignore[union-attr]


def test_nothing_is_told_of_what_was_nothing(book: Ledger, port: int) -> None:
    """An ignored incident, a deployment that was kept."""
    assert tell(book, asked(book, state=State.IGNORED)).letter == ""
    assert mail.tell_of_deployment.fn(Work(id="d-1", app="shop"), deployment(True)).letter == ""


def deployment(kept: bool) -> Deployment:
    """How one ended."""
    return Deployment(
        app="shop", release="f" * 64, backup="b", new=1, modified=2, deleted=3,
        kept=kept, proof=Proof(checks=()), why="case health: status 500 password=hunter2",
    )  # fmt: skip


def test_a_deployment_that_was_put_back_is_mailed_once(book: Ledger, port: int) -> None:
    """With the reason."""
    post, work = Post(), Work(id="d-1", app="shop")
    with server(post, port):
        for _ in range(2):
            mail.tell_of_deployment.fn(work, deployment(False))
    (got,) = post.messages()
    assert "was not proved and put back" in got["Subject"]
    assert "case health: status 500" in got.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "hunter2" not in str(got)


@pytest.mark.parametrize(
    ("as_before", "said"),
    [(True, "could not be ended, all is as before"), (False, "a person is needed")],
)
def test_a_deployment_that_could_not_be_ended_is_mailed(
    book: Ledger, port: int, as_before: bool, said: str
) -> None:
    """Also when putting back failed: then a person is needed."""
    post, work = Post(), Work(id="d-2", app="shop")
    comparison = Comparison(app="shop", source="/src", release="f" * 64, changes=())
    left = Abandoned(why="disk full, token=hunter2", as_before=as_before)
    with server(post, port):
        mail.tell_of_abandoned.fn(work, comparison, left)
    (got,) = post.messages()
    text = got.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "release ffffffffffff" in got["Subject"]
    assert said in text and "disk full" in text
    assert "hunter2" not in str(got)


def test_without_a_mail_server_nothing_is_kept(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing fails."""
    monkeypatch.delenv("AUTOLOOP_SMTP_HOST")
    chosen.settings.cache_clear()
    assert tell(book, asked(book)).letter == ""
    assert outbox.Outbox(book).claim() is None


def test_one_language_may_be_chosen(
    book: Ledger, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then the subject is in it, too."""
    monkeypatch.setenv("AUTOLOOP_LANGUAGE", "zh")
    chosen.settings.cache_clear()
    post = Post()
    with server(post, port):
        tell(book, asked(book))
    (got,) = post.messages()
    assert "需要人工处理" in got["Subject"]
    assert "Root cause" not in got.get_body(("plain",)).get_content()  # type: ignore[union-attr]


# ---- settings and secrets


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TO", "nobody", "AUTOLOOP_SMTP_TO"),
        ("TO", "", "needs AUTOLOOP_SMTP_FROM and AUTOLOOP_SMTP_TO"),
        ("TLS", "yes", "AUTOLOOP_SMTP_TLS"),
        ("PORT", "smtp", "AUTOLOOP_SMTP_PORT"),
    ],
)
def test_a_wrong_setting_is_named(
    book: Ledger, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """In one line, before anything starts."""
    monkeypatch.setenv(f"AUTOLOOP_SMTP_{name}", value)
    monkeypatch.setenv("AUTOLOOP_SMTP_PASSWORD", PASSWORD)
    chosen.settings.cache_clear()
    with pytest.raises(BadSpec, match=said) as wrong:
        chosen.settings()
    assert PASSWORD not in str(wrong.value)


def test_the_password_is_nowhere(
    book: Ledger, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, context: ssl.SSLContext, certificate: Path,
) -> None:  # fmt: skip
    """Not in words, logs, the ledger or what a server says back."""
    more = {"USER": "ops", "PASSWORD": "hunter2x", "TLS": "starttls", "CA": str(certificate)}
    for name, value in more.items():
        monkeypatch.setenv(f"AUTOLOOP_SMTP_{name}", value)
    chosen.settings.cache_clear()
    report = asked(book)
    with server(Post(), port, tls_context=context, authenticator=authenticate, auth_required=True):
        told = tell(book, report)
    assert "535" in told.why
    book.engine.dispose()
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    words = f"{told} {caplog.text} {chosen.settings()!r} {mail.mailbox()!r} {files!r}"
    for secret in ("hunter2x", base64.b64encode(b"\0ops\0hunter2x").decode()):
        assert secret not in words


def test_claims_are_held_longer_than_sending_takes() -> None:
    """Else a second sender would take it meanwhile."""
    assert 3 * Mailbox("h", "a@b", ("c@d",)).deadline_s < outbox.CLAIM_S
