"""Case runners: from the host and from the platform, the same request gets the same verdict."""

import contextlib
import itertools
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from autoloop.agent.channel import LocalChannel
from autoloop.agent.client import Client
from autoloop.agent.session import Session
from autoloop.core.case import Case, CaseResult, CaseRunner, run_cases
from tasks.look import HostCases, PlatformCases

HUGE = 3 << 20


class Shop(BaseHTTPRequestHandler):
    """A small application with every bad habit."""

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def say(self, status: int, body: bytes, kind: str = "application/json", **more: str) -> None:
        """One answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self) -> None:
        """By path."""
        path = self.path
        if path.startswith("/data"):
            good = self.headers.get("Authorization") == "Bearer abc"
            self.say(200 if good else 401, b'{"items": [{"id": 7}]}')
        elif path == "/moved":
            self.say(302, b"", Location="/data")
        elif path == "/slow":
            time.sleep(1)
            self.close_connection = True
        elif path == "/drips":
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(30):
                    self.wfile.write(b".")
                    time.sleep(0.1)
        elif path == "/bytes":
            self.say(200, b"\xff\xfe{ ok", "text/plain")
        elif path == "/gbk":
            self.say(200, "欢迎".encode("gbk"), "text/html; charset=gbk")
        elif path == "/strange":
            self.say(200, "欢迎".encode(), "text/html; charset=no-such-thing")
        elif path == "/huge":
            with contextlib.suppress(OSError):
                self.say(200, b"x" * HUGE, "text/plain")
        elif path == "/cut":
            self.close_connection = True
            self.connection.close()
        else:
            self.say(200, json.dumps({"path": path}).encode())

    do_HEAD = do_GET  # noqa: N815 - the server finds it by this name

    def do_POST(self) -> None:
        """What came, and a token."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        seen = {"token": "abc", "body": body, "type": self.headers.get("Content-Type")}
        self.say(201, json.dumps(seen).encode())


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """An agent on this machine."""
    state, fences = str(tmp_path_factory.mktemp("agent")), itertools.count(1)
    made = Session(lambda: Client(LocalChannel(), state), lambda _: next(fences))
    yield made
    made.close()


@pytest.fixture(params=["host", "platform"])
def runner(request: pytest.FixtureRequest, session: Session) -> CaseRunner:
    """Both in turn."""
    return HostCases(session) if request.param == "host" else PlatformCases()


def one(runner: CaseRunner, url: str, **more: Any) -> CaseResult:
    """The verdict of one case."""
    return run_cases((Case(name="c", url=url, **more),), runner)[0]


@pytest.mark.parametrize(
    ("path", "more", "why"),
    [
        ("/x", {}, ""),
        ("/x", {"status": 404}, "status 200, expected 404"),
        ("", {"json_equals": {"path": "/"}}, ""),
        ("/x?a=1&b=%20", {"json_equals": {"path": "/x?a=1&b=%20"}}, ""),
        ("/搜索?q=书", {"contains": "/%E6%90%9C%E7%B4%A2?q=%E4%B9%A6"}, ""),
        ("/x", {"json_equals": {"path": "/y"}}, "path is '/x', expected '/y'"),
        ("/x", {"method": "HEAD"}, ""),
        ("/moved", {"status": 302}, ""),
        ("/moved", {}, "status 302, expected 200"),
        ("/data", {"status": 401}, ""),
        ("/bytes", {"contains": "{ ok"}, ""),
        ("/bytes", {"json_equals": {"a": 1}}, "a is None"),
        ("/gbk", {"contains": "欢迎"}, ""),
        ("/strange", {"contains": "欢迎"}, ""),
        ("/huge", {"min_length": 1 << 20}, ""),
        ("/huge", {"min_length": (1 << 20) + 1}, "1048576 characters, expected at least 1048577"),
        ("/cut", {}, "no answer: "),
        ("/slow", {"timeout_s": 0.3}, "no answer: timed out"),
        ("/drips", {"timeout_s": 0.4}, "no answer: timed out"),
    ],
)
def test_a_verdict_does_not_depend_on_who_asks(
    runner: CaseRunner, shop: str, path: str, more: dict[str, Any], why: str
) -> None:
    """Nor is anybody held up beyond the time of the case."""
    began = time.monotonic()
    result = one(runner, shop + path, **more)
    assert time.monotonic() - began < 2.5
    assert result.passed is not bool(why)
    assert result.why.startswith(why)


@pytest.mark.parametrize(
    ("body", "arrives", "kind"),
    [
        ({"名": [1, None]}, {"名": [1, None]}, "application/json"),
        ('{"a": 1}', {"a": 1}, "application/json"),
    ],
)
def test_a_body_arrives_as_it_was_meant(
    runner: CaseRunner, shop: str, body: Any, arrives: Any, kind: str
) -> None:
    """With a type, unless the case has its own."""
    case = Case(name="c", url=shop, method="POST", body=body, status=201)
    seen = json.loads(runner.send(case).body)
    assert (json.loads(seen["body"]), seen["type"]) == (arrives, kind)
    own = case.model_copy(update={"headers": {"Content-Type": "text/x"}})
    assert json.loads(runner.send(own).body)["type"] == "text/x"


def test_a_login_is_used_by_what_follows(runner: CaseRunner, shop: str) -> None:
    """Captured from the answer, put into a header."""
    login = Case(name="login", url=shop, method="POST", status=201, capture={"t": "token"})
    data = Case(
        name="data",
        url=f"{shop}/data",
        headers={"Authorization": "Bearer {t}"},
        json_equals={"items.0.id": 7},
    )
    assert [r.passed for r in run_cases((login, data), runner)] == [True, True]


def test_nobody_there_is_no_answer(runner: CaseRunner) -> None:
    """Refused, unknown, no URL at all: a verdict, not an exception."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (f"http://127.0.0.1:{port}/", "http://no.such.invalid/", "http://[", "nonsense", ""):
        result = one(runner, url, timeout_s=2)
        assert not result.passed
        assert result.why.startswith("no answer: ")


def test_a_case_in_a_file_may_be_checked_over_tls_without_trust(runner: CaseRunner) -> None:
    """A port that does not speak TLS is no answer either."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        assert one(runner, url, timeout_s=0.3).why.startswith("no answer: ")
