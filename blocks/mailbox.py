"""The mail server, as people are reached through it."""

import base64
import contextlib
import smtplib
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, Literal

from autoloop.core.errors import AutoloopError, MailNotSent
from autoloop.core.letter import Letter
from autoloop.core.redact import HIDDEN, redact

POLICY = SMTP.clone(cte_type="7bit")
DEADLINE_S = 20.0


class _Bounded(smtplib.SMTP):
    """Hangs up at the deadline: a server that says a word now and then never times out."""

    def __init__(self, host: str, port: int, deadline_s: float, **more: Any) -> None:
        self.sock: socket.socket | None = None
        self._timer = threading.Timer(deadline_s, self._hang_up)
        self._timer.daemon = True
        self._timer.start()
        try:
            name = socket.gethostname()
            super().__init__(host, port, local_hostname=name, timeout=deadline_s, **more)
        except BaseException:
            self._timer.cancel()
            raise

    def _hang_up(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def end(self) -> None:
        """Say good-bye. What the server took is taken, whatever it says to that."""
        with contextlib.suppress(OSError, smtplib.SMTPException):
            self.quit()
        self.close()
        self._timer.cancel()


class _BoundedTls(_Bounded, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


@dataclass(frozen=True)
class Mailbox:
    """A mail server, who writes, and who is written to."""

    host: str
    sender: str
    to: tuple[str, ...]
    port: int = 0
    tls: Literal["starttls", "tls", "none"] = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""
    deadline_s: float = DEADLINE_S

    def send(self, letter: Letter) -> tuple[str, ...]:
        """Hand *letter* to the server; the addresses that it refused while it took others.

        Raises:
            MailNotSent: it took the letter for nobody; the message says why, without secrets.
        """
        message = self.message(letter)
        server: _Bounded | None = None
        try:
            server = self._connect()
            return tuple(server.send_message(message, self.sender, self.to))
        except (OSError, smtplib.SMTPException, ValueError) as error:
            what = self._without_secrets(_said(error))
            raise MailNotSent(self._place, what, "see AUTOLOOP_SMTP_*") from None
        finally:
            if server is not None:
                server.end()

    def message(self, letter: Letter) -> EmailMessage:
        """The message: text, and the same as HTML. Its id is that of the letter."""
        domain = self.sender.rpartition("@")[2]
        message = EmailMessage(policy=POLICY)
        message["From"], message["To"] = self.sender, ", ".join(self.to)
        message["Subject"] = letter.subject
        message["Date"] = formatdate(localtime=False)
        message["Message-ID"] = f"<{letter.id}@{domain}>"
        message["References"] = f"<{letter.about}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message

    @property
    def _place(self) -> str:
        return f"mail server {self.host}:{self._port}"

    @property
    def _port(self) -> int:
        return self.port or {"starttls": 587, "tls": 465, "none": 25}[self.tls]

    def _connect(self) -> "_Bounded":
        """A connection, encrypted and logged in as it was asked for, never less."""
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.tls == "tls":
            server: _Bounded = _BoundedTls(
                self.host, self._port, deadline_s=self.deadline_s, context=context
            )
        else:
            server = _Bounded(self.host, self._port, deadline_s=self.deadline_s)
        try:
            if self.tls == "starttls":
                server.starttls(context=context)
            if self.user:
                server.login(self.user, self.password)
        except BaseException:
            server.end()
            raise
        return server

    def _without_secrets(self, text: str) -> str:
        for secret in _forms(self.user, self.password) if self.password else ():
            text = text.replace(secret, HIDDEN)
        return redact(text)[:300]


def _forms(user: str, password: str) -> tuple[str, ...]:
    """The password as it travels, should the server say it back."""
    plain = f"\0{user}\0{password}".encode()
    return (
        password,
        base64.b64encode(plain).decode(),
        base64.b64encode(password.encode()).decode(),
    )


def _said(error: Exception) -> str:
    if isinstance(error, AutoloopError):
        return error.what
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(
            f"{who}: {code} {_text(why)}" for who, (code, why) in error.recipients.items()
        )
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_text(error.smtp_error)}"
    return str(error) or type(error).__name__


def _text(said: bytes | str) -> str:
    return " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else said).split())
