"""How far one gets to real servers: PostgreSQL, MariaDB and Redis, each in its usual troubles.

Slow, as it needs the servers' programs: postgresql, mariadb-server, redis-server.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import reach

BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[bytes]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def asked(url: str, tmp_path: Path) -> tuple[str, str, str]:
    """How far, what kind of failure, and the server's code."""
    path = tmp_path / "app.env"
    path.write_text(f"URL={url}\n", "utf-8")
    (row,) = reach.read_reach({"settings": str(path), "timeout_s": 5})
    return row["reached"], row["kind"], row["code"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server as an ordinary user; ends it afterwards."""
    running: list[subprocess.Popen[bytes]] = []

    def begin(*argv: str, port: int) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{port}.log").open("wb") as log:
            server = subprocess.Popen(as_user(*argv), stdout=log, stderr=log, cwd=tmp_path)
        running.append(server)
        for _ in range(200):
            with socket.socket() as sock:
                if sock.connect_ex(("127.0.0.1", port)) == 0:
                    return server
            time.sleep(0.1)
        raise AssertionError((tmp_path / f"{port}.log").read_text("utf-8"))

    yield begin
    for server in running:
        server.terminate()
        server.wait(30)


def as_user(*argv: str) -> list[str]:
    """PostgreSQL and MariaDB do not run as root."""
    switch = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    return [*(switch if os.getuid() == 0 else []), *argv]


def open_to_all(path: Path) -> None:
    """For the user `nobody`, up to the temporary folder."""
    if os.getuid() == 0:
        shutil.chown(path, "nobody")
        for parent in (path, *path.parents[:3]):
            if str(parent).startswith("/tmp/"):
                parent.chmod(0o755 if parent != path else 0o700)


@pytest.mark.skipif(not BIN, reason="PostgreSQL's programs are missing: postgresql")
def test_postgresql(tmp_path: Path, start: Start) -> None:
    """Every trouble between an application and its database has an answer of its own."""
    data, port = tmp_path / "pg", free_port()
    data.mkdir()
    open_to_all(data)
    password = data.parent / "password"
    password.write_text("right\n", "utf-8")
    run(str(BIN[-1] / "initdb"), "-D", str(data), "-U", "boss", "-A", "scram-sha-256",
        f"--pwfile={password}")  # fmt: skip
    limits = ["-c", "max_connections=8", "-c", "superuser_reserved_connections=1"]
    start(str(BIN[-1] / "postgres"), "-D", str(data), "-p", str(port), "-k", str(data),
          *limits, port=port)  # fmt: skip
    sql = [str(BIN[-1] / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "boss", "postgres"]

    def tell(words: str) -> None:
        run(*sql, "-qc", words, PGPASSWORD="right")

    tell("CREATE ROLE shop LOGIN PASSWORD 'good'")
    tell("CREATE DATABASE shop OWNER shop")
    url = f"postgresql://shop:good@127.0.0.1:{port}/shop"
    assert asked(url, tmp_path) == ("login", "", "")
    assert asked(url.replace("good", "bad"), tmp_path)[1:] == ("refused by server", "28P01")
    assert asked(f"{url}x", tmp_path)[1:] == ("refused by server", "3D000")
    who_waits(url, sql, tmp_path)
    tell("ALTER ROLE shop NOLOGIN")
    assert asked(url, tmp_path)[1:] == ("refused by server", "28000")
    tell("ALTER ROLE shop LOGIN CONNECTION LIMIT 0")
    assert asked(url, tmp_path)[1:] == ("refused by server", "53300")
    tell("ALTER ROLE shop CONNECTION LIMIT -1")
    tell("SET password_encryption = 'md5'; ALTER ROLE shop PASSWORD 'old'")
    hba = data / "pg_hba.conf"
    hba.write_text("host all boss all scram-sha-256\nhost all shop all md5\n", "utf-8")
    tell("SELECT pg_reload_conf()")
    time.sleep(0.5)
    assert asked(url.replace("good", "old"), tmp_path) == ("login", "", "")
    hba.write_text("host all boss all scram-sha-256\n", "utf-8")
    tell("SELECT pg_reload_conf()")
    time.sleep(0.5)
    assert asked(url, tmp_path)[1:] == ("refused by server", "28000")
    assert asked(f"{url}?sslmode=require", tmp_path)[1] == "tls"


def who_waits(url: str, sql: list[str], tmp_path: Path) -> None:
    """A session of the application waits for a table, another one for a row; nobody else is told
    of, and a session that only stands behind another in the line is in nobody's way."""
    own = [sql[0], url]
    run(*own, "-qc", "CREATE TABLE users (id int, name text)")
    run(*own, "-qc", "INSERT INTO users VALUES (1, 'a')")
    assert waits(url, tmp_path) == []
    for holder, words, what in (
        ([*sql[:-1], "shop"], "LOCK TABLE users", "users"),
        (own, "UPDATE users SET name = 'b'", "users"),
    ):
        hold = f"BEGIN; {words}; SELECT pg_sleep(60)"
        line = [(holder, hold), (own, "UPDATE users SET name = 'c'"), (own, "DROP TABLE users")]
        sessions = []
        for program, query in line:
            env = {**os.environ, "PGPASSWORD": "right"}
            sessions.append(subprocess.Popen(as_user(*program, "-qc", query), env=env))
            time.sleep(0.7)
        rows = waits(url, tmp_path)
        assert {row["what"] for row in rows} == {what}
        assert {row["program"] for row in rows} == {"psql"}
        assert len({row["pid"] for row in rows}) == 1
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        run(*sql, "-qc", f"{ended} WHERE datname = 'shop'", PGPASSWORD="right")
        for session in sessions:
            session.wait(30)


def waits(url: str, tmp_path: Path) -> list[dict[str, Any]]:
    """Who waits there for whom."""
    path = tmp_path / "app.env"
    path.write_text(f"URL={url}\n", "utf-8")
    (row,) = reach.read_reach({"settings": str(path), "timeout_s": 5})
    assert row["reached"] == "login"
    return list(row["waits"])


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is missing")
def test_redis(tmp_path: Path, start: Start) -> None:
    """A password that is missing, wrong, right; and a server that is full."""
    port, full = free_port(), free_port()
    open_to_all(tmp_path)
    start("redis-server", "--port", str(port), "--requirepass", "good", "--save", "", port=port)
    start("redis-server", "--port", str(full), "--maxclients", "1", "--save", "", port=full)
    assert asked(f"redis://:good@127.0.0.1:{port}/0", tmp_path) == ("login", "", "")
    assert asked(f"redis://:bad@127.0.0.1:{port}", tmp_path)[1:] == (
        "refused by server",
        "WRONGPASS",
    )
    assert asked(f"redis://127.0.0.1:{port}", tmp_path)[2] == "NOAUTH"
    with only_client(full):
        assert asked(f"redis://127.0.0.1:{full}", tmp_path)[1] == "refused by server"


def only_client(port: int) -> socket.socket:
    """The one connection that a server takes, once it has seen that the last one is closed."""
    end = time.monotonic() + 20
    while True:
        sock = socket.create_connection(("127.0.0.1", port))
        sock.sendall(b"PING\r\n")
        said = sock.recv(100)
        if said == b"+PONG\r\n":
            return sock
        sock.close()
        assert time.monotonic() < end, said
        time.sleep(0.05)


@pytest.mark.skipif(not shutil.which("mariadbd"), reason="mariadb-server is missing")
def test_mariadb(tmp_path: Path, start: Start) -> None:
    """The greeting comes; a server that is full refuses in its place."""
    data, port = tmp_path / "my", free_port()
    data.mkdir()
    open_to_all(data)
    run(
        "mariadb-install-db",
        "--no-defaults",
        f"--datadir={data}",
        "--auth-root-authentication-method=normal",
    )
    start("mariadbd", "--no-defaults", f"--datadir={data}", f"--port={port}",
          f"--socket={data}/s", "--bind-address=127.0.0.1", "--max-connections=10",
          port=port)  # fmt: skip
    url = f"mysql+pymysql://shop:x@127.0.0.1:{port}/shop"
    assert asked(url, tmp_path) == ("login", "", "")
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(11)]
    try:
        assert asked(url, tmp_path)[1:] == ("refused by server", "1040")
    finally:
        for one in held:
            one.close()


def run(*argv: str, **env: Any) -> None:
    done = subprocess.run(
        as_user(*argv), env={**os.environ, **env}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
