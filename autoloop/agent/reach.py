"""How far one gets from this host to what an application's settings name. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). A settings file is read here and
its passwords stay here: what is answered are names of settings, hosts, ports, users, and the words
of servers. Each address is asked step by step - name, connection, TLS, the server's own greeting,
login - and the first step that fails says what is wrong. Nothing is asked of a server but whether
it lets the application in, and of PostgreSQL which of the application's sessions wait for a lock.
"""

import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import threading
import time
import urllib.parse

LIMIT = 256 << 10  # bytes of a settings file
MOST = 32  # addresses of one settings file
PORTS = {
    "postgresql": 5432,
    "mysql": 3306,
    "redis": 6379,
    "rediss": 6379,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
    "http": 80,
    "https": 443,
    "smtp": 25,
    "smtps": 465,
    "ldap": 389,
    "ldaps": 636,
    "nats": 4222,
}
NAMES = {"postgres": "postgresql", "pgsql": "postgresql", "mariadb": "mysql", "mongo": "mongodb"}
WRAPPED = frozenset(["https", "rediss", "amqps", "smtps", "ldaps"])

ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*(.*?)\s*$")


class Failed(Exception):
    """A step that did not work: which one, what kind of failure, and what was said."""

    def __init__(self, step, kind, says="", code=""):
        super().__init__(says)
        self.step, self.kind, self.says, self.code = step, kind, says, code


# ---- what the settings name ----------------------------------------------------------------


def settings_of(text):
    """Names and values of ``NAME=value`` lines; quotes around a value are taken off."""
    found = {}
    for line in text.splitlines():
        match = ASSIGNED.match(line)
        if match and not line.lstrip().startswith("#"):
            value = match.group(2)
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            found[match.group(1)] = value
    return found


def addresses_in(settings):
    """The servers that *settings* name: URLs, and pairs of ``X_HOST`` and ``X_PORT``."""
    rows = []
    for name, value in sorted(settings.items()):
        row = address_of(name, value)
        if row is not None:
            rows.append(row)
    for name, value in sorted(settings.items()):
        stem = name[: -len("HOST")]
        if name.endswith("HOST") and settings.get(stem + "PORT", "").isdigit() and plain(value):
            rows.append(from_pair(stem, settings))
    return rows[:MOST]


def plain(host):
    return re.match(r"^[A-Za-z0-9.:-]+$", host) is not None and host != "0.0.0.0"


def address_of(name, value):
    """The server in a URL, or nothing."""
    try:
        url = urllib.parse.urlsplit(value)
        scheme = url.scheme.partition("+")[0].lower()
        scheme = NAMES.get(scheme, scheme)
        port = url.port or PORTS.get(scheme)
    except ValueError:
        return None
    if not url.hostname or port is None or scheme not in PORTS:
        return None
    query = urllib.parse.parse_qs(url.query)
    return {
        "setting": name,
        "scheme": scheme,
        "host": url.hostname,
        "port": port,
        "user": urllib.parse.unquote(url.username or ""),
        "password": urllib.parse.unquote(url.password or ""),
        "database": urllib.parse.unquote(url.path.lstrip("/")),
        "sslmode": query.get("sslmode", ["prefer"])[-1],
    }


def from_pair(stem, settings):
    """The server in ``X_HOST`` and ``X_PORT``; what it speaks is known by its port alone."""

    def first(*endings):
        return next((settings[stem + end] for end in endings if stem + end in settings), "")

    port = int(settings[stem + "PORT"])
    usual = {number: scheme for scheme, number in PORTS.items() if scheme not in ("http", "smtp")}
    return {
        "setting": stem + "HOST",
        "scheme": usual.get(port, "tcp"),
        "host": settings[stem + "HOST"],
        "port": port,
        "user": first("USER", "USERNAME"),
        "password": first("PASSWORD", "PASS"),
        "database": first("NAME", "DATABASE", "DB"),
        "sslmode": "prefer",
    }


# ---- the way there -------------------------------------------------------------------------


def read_reach(args):
    """Rows for the servers that a settings file names; all are asked at once.

    ``settings`` is the file, ``timeout_s`` the time for each server. A row has ``setting``,
    ``scheme``, ``host``, ``port``, ``user``, ``database``, ``addresses``, ``reached`` (the last
    step that worked: ``""``, ``name``, ``connection``, ``tls``, ``login``), ``kind`` of the
    failure (``""`` when there is none), ``says``, ``code``, ``waits`` and ``ms``.
    """
    with open(args["settings"], "rb", opener=at_once) as source:
        text = source.read(LIMIT).decode("utf-8", "replace")
    wait = float(args.get("timeout_s", 2))
    rows = addresses_in(settings_of(text))
    answers = [dict() for _ in rows]
    threads = [
        threading.Thread(target=fill, args=(row, answer, wait), daemon=True)
        for row, answer in zip(rows, answers)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + wait + 0.5
    for thread in threads:
        thread.join(max(0, end - time.monotonic()))
    return [shown(row, dict(answer)) for row, answer in zip(rows, answers)]


def at_once(path, flags):
    return os.open(path, flags | os.O_NONBLOCK)


def shown(row, answer):
    """The row as it may leave this host: without the password, also not in a server's words."""
    kept = {k: row[k] for k in ("setting", "scheme", "host", "port", "user", "database")}
    kept.update(reached="", kind="timeout", says="no answer in time", code="", addresses=[], ms=0)
    kept.update(waits=[])
    kept.update(answer)
    if row["password"]:
        kept["says"] = kept["says"].replace(row["password"], "***")
    return kept


def fill(row, answer, wait):
    """Go as far as one gets; *answer* is complete when this ends, and says so far before."""
    began = time.monotonic()
    try:
        walk(row, answer, began + wait)
        answer.update(kind="", says="", code="")
    except Failed as failed:
        answer.update(kind=failed.kind, says=failed.says[:300], code=failed.code)
    except Exception as error:  # an answer that no server should give
        answer.update(kind="nonsense", says=type(error).__name__, code="")
    answer["ms"] = round((time.monotonic() - began) * 1000, 1)


def walk(row, answer, end):
    found = resolve(row["host"], row["port"])
    answer.update(addresses=sorted(set(one[4][0] for one in found)), reached="name")
    with connect(found, end) as sock:
        answer["reached"] = "connection"
        if row["scheme"] in WRAPPED:
            sock = wrapped(sock, row["host"])
            answer["reached"] = "tls"
        greet = GREETINGS.get(row["scheme"])
        if greet is not None:
            with sock:
                answer["waits"] = greet(Line(sock, end), row) or []
            answer["reached"] = "login"


def resolve(host, port):
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        kind = "no such name"
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            kind = "no name server"
        raise Failed("name", kind, str(error))


def connect(found, end):
    """A connection to the first address that takes one; otherwise the last one's failure."""
    failed = Failed("connection", "unreachable", "no address")
    for family, kind, number, _name, address in found:
        sock = socket.socket(family, kind, number)
        try:
            sock.settimeout(max(0.05, end - time.monotonic()))
            sock.connect(address)
            return sock
        except socket.timeout:
            failed = Failed("connection", "timeout", "nobody answers: nothing comes back")
        except ConnectionRefusedError:
            failed = Failed("connection", "refused", "nobody listens there")
        except OSError as error:
            failed = Failed("connection", "unreachable", os.strerror(error.errno or 0))
        sock.close()
    raise failed


def wrapped(sock, host):
    """The connection inside TLS, its certificate verified by this host's own authorities."""
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except ssl.SSLError as error:
        says = getattr(error, "verify_message", "") or error.reason or str(error)
        raise Failed("tls", "certificate" if "verify" in str(error) else "tls", says)
    except OSError as error:
        raise Failed("tls", "tls", str(error))


class Line:
    """Bytes to and from a server, before the time is up."""

    def __init__(self, sock, end):
        self.sock, self.end, self.held = sock, end, b""

    def send(self, data):
        try:
            self.sock.settimeout(max(0.05, self.end - time.monotonic()))
            self.sock.sendall(data)
        except (OSError, ValueError) as error:
            raise Failed("login", "closed", str(error))

    def take(self, size):
        while len(self.held) < size:
            self.more()
        data, self.held = self.held[:size], self.held[size:]
        return data

    def line(self):
        while b"\r\n" not in self.held and len(self.held) < 4096:
            self.more()
        line, _, self.held = self.held.partition(b"\r\n")
        return line.decode("utf-8", "replace")

    def more(self):
        try:
            self.sock.settimeout(max(0.05, self.end - time.monotonic()))
            data = self.sock.recv(4096)
        except socket.timeout:
            raise Failed("login", "timeout", "it takes connections and says nothing")
        except OSError as error:
            raise Failed("login", "closed", str(error))
        if not data:
            raise Failed("login", "closed", "it closes the connection")
        self.held += data


# ---- PostgreSQL: https://www.postgresql.org/docs/current/protocol-flow.html ----------------


def greet_postgresql(line, row):
    """Log in as the application would, see who waits, and leave. Errors carry their SQLSTATE."""
    mode = row["sslmode"]
    if mode != "disable" and line.sock.family != socket.AF_UNIX:
        line.send(struct.pack(">II", 8, 80877103))
        if line.take(1) == b"S":
            line.sock = unverified(line.sock)
        elif mode not in ("prefer", "allow"):
            raise Failed("tls", "tls", "the server speaks no TLS, sslmode is " + mode)
    user = row["user"] or "postgres"
    words = ["user", user, "database", row["database"] or user, "application_name", "autoloop"]
    body = b"".join(word.encode() + b"\0" for word in words) + b"\0"
    line.send(struct.pack(">II", len(body) + 8, 196608) + body)
    client = Scram(row["password"])
    while True:
        kind, data = postgresql_message(line)
        if kind == b"E":
            fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in data.split(b"\0")}
            raise Failed("login", "refused by server", fields.get(b"M", ""), fields.get(b"C", ""))
        if kind == b"Z":
            waits = postgresql_waits(line)
            line.send(b"X\0\0\0\4")
            return waits
        if kind == b"R":
            answer = postgresql_proof(data, user, row["password"], client)
            if answer is not None:
                line.send(b"p" + struct.pack(">I", len(answer) + 4) + answer)


WAITS = """
select coalesce(c.relname, held.relname, l.locktype), coalesce(b.pid, 0), b.usename,
       b.application_name, floor(extract(epoch from clock_timestamp() - w.query_start))
from pg_stat_activity w
join pg_locks l on l.pid = w.pid and not l.granted
left join pg_class c on c.oid = l.relation
left join lateral (
    select min(o.relname) as relname from pg_locks h join pg_class o on o.oid = h.relation
    where h.pid = w.pid and h.granted and h.mode in ('RowShareLock', 'RowExclusiveLock')
      and o.relkind in ('r', 'p')
) held on true
cross join lateral unnest(pg_blocking_pids(w.pid)) as blocking(pid)
left join pg_stat_activity b on b.pid = blocking.pid
where w.usename = current_user and w.datname = current_database()
  and not exists (select 1 from pg_locks x where x.pid = blocking.pid and not x.granted)
order by 5 desc nulls last limit 20
"""
"""The application's own sessions that wait for a lock, and who holds it. Every role may ask this;
of other roles' sessions it is told the account and the program's name, not what they do."""

WAITS_S = 1.0


def postgresql_waits(line):
    """Rows of `WAITS`; none where it is not answered at once, or refused."""
    line.end = min(line.end, time.monotonic() + WAITS_S)
    rows = []
    try:
        for query in ("begin read only", "set local statement_timeout = 800", WAITS):
            rows = postgresql_rows(line, query)
        return [dict(zip(("what", "pid", "user", "program", "seconds"), row)) for row in rows]
    except (Failed, struct.error, ValueError):
        return []


def postgresql_rows(line, query):
    """The rows of a simple query, as text; None for null. Ends at an error too."""
    data = query.encode() + b"\0"
    line.send(b"Q" + struct.pack(">I", len(data) + 4) + data)
    rows, refused = [], None
    while True:
        kind, data = postgresql_message(line)
        if kind == b"D":
            rows.append(postgresql_row(data))
        elif kind == b"E":
            refused = Failed("query", "refused by server")
        elif kind == b"Z":
            if refused:
                raise refused
            return rows


def postgresql_row(data):
    values, place = [], 2
    for _ in range(struct.unpack(">H", data[:2])[0]):
        size = struct.unpack(">i", data[place : place + 4])[0]
        place += 4
        values.append(None if size < 0 else data[place : place + size].decode("utf-8", "replace"))
        place += max(size, 0)
    return values


def unverified(sock):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(sock)
    except (ssl.SSLError, OSError) as error:
        raise Failed("tls", "tls", str(error))


def postgresql_message(line):
    kind = line.take(1)
    size = struct.unpack(">I", line.take(4))[0]
    if not 4 <= size <= 1 << 20:
        raise Failed("login", "nonsense", "it does not speak PostgreSQL's protocol")
    return kind, line.take(size - 4)


def postgresql_proof(data, user, password, client):
    """What to answer to a request for authentication; nothing when none is asked for."""
    how = struct.unpack(">I", data[:4])[0]
    secret = password.encode()
    if how == 3:
        return secret + b"\0"
    if how == 5:
        inner = hashlib.md5(secret + user.encode()).hexdigest().encode()
        return b"md5" + hashlib.md5(inner + data[4:8]).hexdigest().encode() + b"\0"
    if how == 10:
        first = client.first()
        return b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first
    if how == 11:
        return client.final(data[4:])
    if how in (0, 12):
        return None
    raise Failed("login", "unknown method", "asks for authentication method %d" % how)


class Scram:
    """The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding."""

    def __init__(self, password):
        self.password = password.encode()
        self.bare = b"n=,r=" + base64.b64encode(os.urandom(18))

    def first(self):
        return b"n,," + self.bare

    def final(self, challenge):
        parts = dict((part[:1], part[2:]) for part in challenge.split(b","))
        rounds = int(parts[b"i"])
        if not 0 < rounds <= 1000000:
            raise Failed("login", "nonsense", "asks for %d rounds of hashing" % rounds)
        salt = base64.b64decode(parts[b"s"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, rounds)
        key = hmac.new(salted, b"Client Key", "sha256").digest()
        without = b"c=biws,r=" + parts[b"r"]
        signed = b",".join([self.bare, challenge, without])
        stored = hashlib.sha256(key).digest()
        signature = hmac.new(stored, signed, "sha256").digest()
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return without + b",p=" + base64.b64encode(proof)


# ---- MySQL and MariaDB: the greeting only; it tells who may come at all ---------------------


def greet_mysql(line, row):
    """Read the greeting; a server that refuses this host or is full says so in its place."""
    size = struct.unpack("<I", line.take(3) + b"\0")[0]
    line.take(1)
    data = line.take(size)
    if data[:1] == b"\xff":
        code = struct.unpack("<H", data[1:3])[0]
        says = data[3:].decode("utf-8", "replace")
        raise Failed("login", "refused by server", says.lstrip("#"), str(code))
    if data[:1] != b"\n":
        raise Failed("login", "nonsense", "it does not speak MySQL's protocol")


# ---- Redis ---------------------------------------------------------------------------------


def greet_redis(line, row):
    """AUTH where there is a password, then PING."""
    if row["password"]:
        words = [word for word in (row["user"], row["password"]) if word]
        redis_command(line, ["AUTH", *words])
    redis_command(line, ["PING"])


def redis_command(line, words):
    parts = [("$%d\r\n%s\r\n" % (len(word.encode()), word)).encode() for word in words]
    line.send(b"*%d\r\n" % len(words) + b"".join(parts))
    said = line.line()
    if said.startswith("-"):
        raise Failed("login", "refused by server", said[1:], said[1:].partition(" ")[0])
    if not said.startswith("+"):
        raise Failed("login", "nonsense", "it does not speak Redis's protocol")


GREETINGS = {
    "postgresql": greet_postgresql,
    "mysql": greet_mysql,
    "redis": greet_redis,
    "rediss": greet_redis,
}
