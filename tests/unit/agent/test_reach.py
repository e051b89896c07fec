"""How far one gets to what settings name: reading them, and the steps up to a connection."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import reach


def rows(text: str, tmp_path: Path, timeout_s: float = 1) -> list[dict[str, Any]]:
    """What is answered for a settings file with *text*."""
    path = tmp_path / "app.env"
    path.write_text(text, "utf-8")
    return reach.read_reach({"settings": str(path), "timeout_s": timeout_s})


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Something that listens, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DATABASE_URL=postgres://u:p@db:6543/shop", ("postgresql", "db", 6543, "u", "shop")),
        ("D='postgresql+psycopg2://u@db/shop'", ("postgresql", "db", 5432, "u", "shop")),
        ("export CACHE=redis://:s@127.0.0.1:6379/0", ("redis", "127.0.0.1", 6379, "", "0")),
        ("B=amqp://[::1]/", ("amqp", "::1", 5672, "", "")),
        ("API: https://api.example.com/v1", ("https", "api.example.com", 443, "", "v1")),
    ],
)
def test_a_url_names_a_server(line: str, expected: tuple[object, ...]) -> None:
    """Whatever driver it is for."""
    (row,) = reach.addresses_in(reach.settings_of(line))
    assert tuple(row[k] for k in ("scheme", "host", "port", "user", "database")) == expected


def test_host_and_port_name_a_server() -> None:
    """As many frameworks have them."""
    text = "DB_HOST=10.0.0.5\nDB_PORT=3306\nDB_USER=shop\nDB_PASSWORD=x\nDB_NAME=orders\n"
    (row,) = reach.addresses_in(reach.settings_of(text))
    assert (row["scheme"], row["setting"], row["user"]) == ("mysql", "DB_HOST", "shop")


@pytest.mark.parametrize(
    "line",
    [
        "D=sqlite:////srv/x.db",
        "# D=redis://a",
        "BIND_HOST=0.0.0.0\nBIND_PORT=80",
        "U=http://[broken",
        "P=redis://h:99999999",
        "X=https://",
        "A_HOST=a b;c\nA_PORT=5432",
    ],
)
def test_what_names_no_server(line: str) -> None:
    """Files, comments, addresses to listen on, nonsense."""
    assert reach.addresses_in(reach.settings_of(line)) == []


def test_a_name_that_does_not_resolve(tmp_path: Path) -> None:
    """The first step already fails."""
    (row,) = rows("D=redis://no-such-host.invalid", tmp_path, 5)
    assert row["reached"] == ""
    assert row["kind"] in ("no such name", "no name server")


def test_nobody_listens(tmp_path: Path, server: socket.socket) -> None:
    """The name is right, the connection is refused."""
    port = server.getsockname()[1]
    server.close()
    (row,) = rows(f"D=tcp://x\nQ=nats://127.0.0.1:{port}", tmp_path)
    assert (row["reached"], row["kind"], row["port"]) == ("name", "refused", port)


def test_a_server_that_says_nothing(tmp_path: Path, server: socket.socket) -> None:
    """It takes connections, and its protocol is not spoken in time."""
    port = server.getsockname()[1]
    (row,) = rows(f"D=postgresql://u:hush@127.0.0.1:{port}/d", tmp_path)
    assert (row["reached"], row["kind"]) == ("connection", "timeout")
    assert "hush" not in str(row)


def test_all_are_asked_at_once(tmp_path: Path, server: socket.socket) -> None:
    """Ten silent servers cost the time of one, or the answer would be late by many seconds."""
    port = server.getsockname()[1]
    text = "\n".join(f"D{n}=redis://127.0.0.1:{port}" for n in range(10))
    assert [row["kind"] for row in rows(text, tmp_path, 0.5)] == ["timeout"] * 10


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 64, b"R\xff\xff\xff\xff"]
)
@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "redis"])
def test_a_server_of_another_kind(
    data: bytes, scheme: str, tmp_path: Path, server: socket.socket
) -> None:
    """Whatever comes back is an answer, never a crash, and never a success."""

    def answer() -> None:
        with server.accept()[0] as connection:
            connection.sendall(data)
            connection.recv(100)

    speaking = threading.Thread(target=answer, daemon=True)
    speaking.start()
    port = server.getsockname()[1]
    (row,) = rows(f"D={scheme}://u:p@127.0.0.1:{port}/d?sslmode=disable", tmp_path)
    assert row["kind"]
    assert row["reached"] == "connection"
    speaking.join(5)


def test_the_proof_of_a_password() -> None:
    """The exchange of RFC 7677, section 3."""
    client = reach.Scram("pencil")
    client.bare = b"n=user,r=rOprNGfwEbeRWgbNEkqO"
    challenge = (
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    assert client.final(challenge).endswith(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")


def test_a_password_in_a_servers_words_stays_here() -> None:
    """A server that repeats it does not make it travel."""
    row = reach.address_of("D", "redis://:geheim@h:1")
    assert row is not None
    assert reach.shown(row, {"says": "wrong: geheim"})["says"] == "wrong: ***"
