"""How far one gets to what settings name: the steps up to a connection, and what fails after."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import addresses, reach


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


def test_a_password_in_a_servers_words_stays_here() -> None:
    """A server that repeats it does not make it travel."""
    row = addresses.from_url("redis://:geheim@h:1")
    assert row is not None
    assert reach.shown(dict(row, setting="D"), {"says": "wrong: geheim"})["says"] == "wrong: ***"


GREETING = bytes.fromhex(
    "4b0000000a392e372e342d3200db00000027093f143c4f6a1700ffffff0200ffdf1500000000000000000000747d"
    "2a0e27661f082e577c420063616368696e675f736861325f70617373776f726400"
)
DENIED = b"\x12\0\0\2\xff\x15\x04#28000Access no"
SOCKET_ONLY = b"\x12\0\0\2\xff\xa2\x06#28000Access no"


@pytest.fixture
def speak(server: socket.socket, tmp_path: Path) -> Iterator[Any]:
    """Something that says what it is told to, each time one thing more has been heard."""
    behind = socket.socket(socket.AF_UNIX)
    behind.bind(str(tmp_path / "s"))
    behind.listen()
    heard: list[bytes] = []

    def answer(listening: socket.socket, turns: tuple[tuple[bytes, ...], ...]) -> None:
        for said in turns:
            with listening.accept()[0] as connection:
                for words in said:
                    connection.sendall(words)
                    heard.append(connection.recv(4096))

    def begin(*turns: tuple[bytes, ...], listening: socket.socket = server) -> list[bytes]:
        threading.Thread(target=answer, args=(listening, turns), daemon=True).start()
        return heard

    begin.port, begin.behind = server.getsockname()[1], behind  # type: ignore[attr-defined]
    yield begin
    behind.close()


def test_tls_that_does_not_come_about_is_done_without(speak: Any, tmp_path: Path) -> None:
    """Where it is only preferred; a server may offer what is too old for this host."""
    heard = speak((GREETING, b"no TLS"), (GREETING, DENIED))
    (row,) = rows(f"D=mysql://u:p@127.0.0.1:{speak.port}/d", tmp_path, 5)
    assert (row["kind"], row["code"]) == ("refused by server", "1045")
    assert [len(words) > 60 for words in heard[:1] + heard[2:3]] == [False, True]
    speak((GREETING, b"no TLS"))
    (row,) = rows(f"D=mysql://u:p@127.0.0.1:{speak.port}/d?sslMode=REQUIRED", tmp_path, 5)
    assert row["kind"] == "tls"


def test_a_password_that_other_settings_hold_is_not_a_wrong_one(speak: Any, tmp_path: Path) -> None:
    """The account could not be tried. An empty password is one, and so is another refusal."""
    text = f"MYSQL_HOST=127.0.0.1\nMYSQL_PORT={speak.port}\nMYSQL_USER=u"
    for more, said, kind in (
        ("", DENIED, "not asked"),
        ("\nMYSQL_PASSWORD=", DENIED, "refused by server"),
        ("\nMYSQL_USER=\nMYSQL_PASSWORD=p", DENIED, "not asked"),
        ("", b"\x16\0\0\2\xff\x10\x04#08004Too many conn", "refused by server"),
    ):
        speak((GREETING, b"no TLS"), (GREETING, said))
        assert rows(text + more, tmp_path, 5)[0]["kind"] == kind


def test_a_socket_is_the_way_where_the_settings_name_one(speak: Any, tmp_path: Path) -> None:
    """Without TLS. A server that knows the system's users there is not blamed: we are root."""
    for password, said, kind in (
        ("p", DENIED, "refused by server"),
        ("p", SOCKET_ONLY, "refused by server"),
        ("", SOCKET_ONLY, "not asked"),
    ):
        speak((GREETING, said), listening=speak.behind)
        (row,) = rows(f"D=mysql://u:{password}@/d?unix_socket={tmp_path}/s", tmp_path, 5)
        assert (row["socket"], row["kind"]) == (f"{tmp_path}/s", kind)
    (row,) = rows(f"D=mysql://u@/d?unix_socket={tmp_path}/none", tmp_path, 5)
    assert (row["reached"], row["kind"]) == ("name", "refused")
