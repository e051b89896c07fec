"""How far one gets to real servers, each in its usual troubles, and what they tell.

Slow, as it needs the servers' programs: postgresql, mariadb-server, redis-server, and MySQL's own
`mysqld`, which Debian has in its unstable release only.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import addresses, mysql_talk, reach
from autoloop.agent.line import Line
from autoloop.arena.ports import free_port

BIN = sorted(Path("/usr/lib/postgresql").glob("*/bin"))

pytestmark = [pytest.mark.integration, pytest.mark.slow]

Start = Callable[..., subprocess.Popen[bytes]]


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
    """PostgreSQL, MySQL and MariaDB do not run as root."""
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
    for way in (
        f"jdbc:postgresql://127.0.0.1:{port}/shop\nUSERNAME=shop\nPASSWORD=good",
        f"host=127.0.0.1 port={port} user=shop password=good dbname=shop sslmode=disable",
        f"Host=127.0.0.1;Port={port};Database=shop;Username=shop;Password=good",
    ):
        assert asked(way, tmp_path) == ("login", "", "")
        assert asked(way.replace("good", "bad"), tmp_path)[1:] == ("refused by server", "28P01")
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
    return list(row_of(url, tmp_path)["waits"])


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


def mysqld() -> str | None:
    """MySQL's own server: Debian's MariaDB has a program of that name too."""
    path = shutil.which("mysqld")
    told = path and subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    return path if told and "MariaDB" not in told else None


class Owner:
    """The superuser of a server that speaks MySQL, over its socket."""

    def __init__(self, path: Path) -> None:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        row = {"user": "root", "password": "", "database": "", "sslmode": "disable"}
        self.path = path
        self.talk = mysql_talk.log_in(Line(sock, time.monotonic() + 120), row)

    def tell(self, *statements: str) -> None:
        for words in statements:
            mysql_talk.rows_of(self.talk, words)


MYSQLS = [
    pytest.param("mariadb", marks=pytest.mark.skipif(
        not shutil.which("mariadbd"), reason="mariadb-server is missing")),
    pytest.param("mysql", marks=pytest.mark.skipif(
        not mysqld(), reason="MySQL's own server is missing: mysql-server-core")),
]  # fmt: skip


@pytest.fixture(params=MYSQLS)
def kind(request: pytest.FixtureRequest) -> str:
    """MariaDB or MySQL."""
    return str(request.param)


@pytest.fixture
def owner(kind: str, tmp_path: Path, start: Start) -> Iterator[tuple[Owner, int]]:
    """A server with TLS, an account `shop` that may do everything in the database `shop`, and its
    port. It takes ten connections, and one more of its owner's."""
    data, port = tmp_path / "my", free_port()
    data.mkdir()
    open_to_all(data)
    where = ["--no-defaults", f"--datadir={data}/d"]
    options = [f"--port={port}", f"--socket={data}/s", "--bind-address=127.0.0.1",
               "--max-connections=10", f"--pid-file={data}/p",
               "--innodb-lock-wait-timeout=60"]  # fmt: skip
    if kind == "mariadb":
        run("mariadb-install-db", *where, "--auth-root-authentication-method=normal",
            "--skip-test-db")  # fmt: skip
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            "/CN=db", "-keyout", f"{data}/key", "-out", f"{data}/cert")  # fmt: skip
        options += [f"--ssl-key={data}/key", f"--ssl-cert={data}/cert"]
        program = "mariadbd"
    else:
        program = str(mysqld())
        run(program, *where, "--initialize-insecure")
        options += ["--mysqlx=OFF", "--secure-file-priv=NULL"]
    start(program, *where, *options, port=port)
    boss = Owner(data / "s")
    boss.tell("create database shop", "create user shop@'%' identified by 'good'",
              "grant all on shop.* to shop@'%'", "create table shop.users (id int primary key)",
              "insert into shop.users values (1)")  # fmt: skip
    yield boss, port
    boss.talk.line.sock.close()


def test_mysql_and_mariadb_turn_an_account_away(
    kind: str, owner: tuple[Owner, int], tmp_path: Path
) -> None:
    """Every trouble between an application and its database has an answer of its own."""
    boss, port = owner
    url = f"mysql+pymysql://shop:good@127.0.0.1:{port}/shop"
    assert asked(url, tmp_path) == ("login", "", "")
    assert asked(f"mysql://shop:good@/shop?unix_socket={boss.path}", tmp_path)[0] == "login"
    assert asked(url.replace("good", "bad"), tmp_path)[1:] == ("refused by server", "1045")
    for way in (
        f"jdbc:mariadb://127.0.0.1:{port}/shop?user=shop&password=good",
        f"shop:good@tcp(127.0.0.1:{port})/shop?parseTime=true",
        f"shop:good@unix({boss.path})/shop",
    ):
        assert asked(way, tmp_path) == ("login", "", "")
        assert asked(way.replace("good", "bad"), tmp_path)[2] == "1045"
    assert asked(f"{url}x", tmp_path)[2] == "1044"
    boss.tell("grant all on shopx.* to shop@'%'")
    assert asked(f"{url}x", tmp_path)[2] == "1049"
    boss.tell("alter user shop@'%' account lock")
    assert asked(url, tmp_path)[2] == {"mariadb": "4151", "mysql": "3118"}[kind]
    boss.tell("alter user shop@'%' account unlock", "alter user shop@'%' password expire")
    assert asked(url, tmp_path)[2] == {"mariadb": "1820", "mysql": "1862"}[kind]
    boss.tell("alter user shop@'%' password expire never", "drop user shop@'%'")
    assert asked(url, tmp_path)[2] == "1045"
    boss.tell("create user shop@'%' identified by 'good' require ssl with max_user_connections 1",
              "grant all on shop.* to shop@'%'")  # fmt: skip
    assert asked(url, tmp_path) == ("login", "", "")
    assert asked(f"{url}?sslMode=DISABLED", tmp_path)[2] == "1045"
    with held(url, "select sleep(60)"):
        assert asked(url, tmp_path)[2] == "1226"
    taken = [socket.create_connection(("127.0.0.1", port)) for _ in range(11)]
    try:
        assert asked(url, tmp_path)[1:] == ("refused by server", "1040")
    finally:
        for one in taken:
            one.close()


def test_ways_to_show_a_password(kind: str, owner: tuple[Owner, int], tmp_path: Path) -> None:
    """By a proof; itself inside TLS or encrypted, where the server has not seen it yet; and those
    that are not tried."""
    boss, port = owner
    url = f"mysql://other:good@127.0.0.1:{port}/"
    if kind == "mariadb":
        boss.tell("install soname 'auth_ed25519'")
        boss.tell("create user other@'%' identified via ed25519 using password('good')")
        assert asked(url, tmp_path)[1] == "not asked"
        boss.tell("create user peer@'%' identified via unix_socket")
        assert asked(f"mysql://peer@/?unix_socket={boss.path}", tmp_path)[1] == "not asked"
        assert asked(f"mysql://peer@127.0.0.1:{port}/", tmp_path)[2] == "1698"
        return
    for plugin in ("caching_sha2_password", "sha256_password"):
        boss.tell(f"create user other@'%' identified with {plugin} by 'good'")
        for forgets, mode in ((True, "DISABLED"), (False, "DISABLED"), (True, "REQUIRED")):
            boss.tell("flush privileges" if forgets else "select 1")
            for password, code in (("good", ""), ("bad", "1045")):
                way = f"{url.replace('good', password)}?sslMode={mode}"
                assert asked(way, tmp_path)[2] == code
        boss.tell("drop user other@'%'")
    boss.tell("create user other@'%'", "set global require_secure_transport = 1")
    url = url.replace(":good", "")
    assert asked(url, tmp_path) == ("login", "", "")
    assert asked(f"{url}?sslMode=DISABLED", tmp_path)[2] == "3159"


def test_what_mysql_and_mariadb_tell_of_themselves(
    kind: str, owner: tuple[Owner, int], tmp_path: Path
) -> None:
    """Whether changes are taken, from whom, and how many connections there are."""
    boss, port = owner
    url = f"mysql://shop:good@127.0.0.1:{port}/shop"
    told = row_of(url, tmp_path)
    assert (told["read_only"], told["most"], told["connections"] >= 2) == ("", 10, True)
    boss.tell("set global read_only = 1")
    assert row_of(url, tmp_path)["read_only"] == "read_only"
    boss.tell("create user admin@'%' identified by 'good'", "grant all on *.* to admin@'%'")
    assert row_of(url.replace("shop:", "admin:"), tmp_path)["read_only"] == ""
    if kind == "mysql":
        boss.tell("set global super_read_only = 1")
        assert row_of(url.replace("shop:", "admin:"), tmp_path)["read_only"] == "super_read_only"


ROWS = "select * from users for update"
TABLE = "lock tables shop.users write"


def test_who_waits_in_mysql_and_mariadb(
    kind: str, owner: tuple[Owner, int], tmp_path: Path
) -> None:
    """Each account is told that its sessions wait; who holds them, one that has the rights."""
    boss, port = owner
    url = f"mysql://shop:good@127.0.0.1:{port}/shop"
    more = ["grant process on *.* to shop@'%'"]
    if kind == "mysql":
        more.append("grant select on performance_schema.* to shop@'%'")
    assert row_of(url, tmp_path)["waits"] == []
    known = []
    for rights in ([], more):
        boss.tell(*rights, "use shop")
        for take, let_go in (("begin", "rollback"), (TABLE, "unlock tables")):
            boss.tell(take, ROWS)
            with held(url, "update users set id = 7"), held(url, ROWS):
                time.sleep(2.2)
                waits = row_of(url, tmp_path)["waits"]
                boss.tell(let_go)
            assert [wait["what"] for wait in waits] == ["users", "users"]
            assert all(wait["seconds"] >= 1 for wait in waits)
            known.append({wait["user"] for wait in waits} == {"root@localhost"})
    assert known == [False, False, True, kind == "mysql"]


@contextlib.contextmanager
def held(url: str, query: str) -> Iterator[None]:
    """A session of the application's that is at something."""
    row = addresses.from_url(url)
    assert row is not None
    line = Line(socket.create_connection((row["host"], row["port"])), time.monotonic() + 60)
    try:
        mysql_talk.log_in(line, row).begin(b"\x03" + query.encode())
        time.sleep(0.3)
        yield
    finally:
        line.sock.close()


def row_of(url: str, tmp_path: Path) -> dict[str, Any]:
    """All that is answered of a server that lets the application in."""
    path = tmp_path / "app.env"
    path.write_text(f"URL={url}\n", "utf-8")
    (row,) = reach.read_reach({"settings": str(path), "timeout_s": 5})
    assert row["reached"] == "login"
    return dict(row)


def run(*argv: str, **env: Any) -> None:
    done = subprocess.run(
        as_user(*argv), env={**os.environ, **env}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
