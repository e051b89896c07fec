"""PostgreSQL, asked with an application's own account. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). The protocol:
https://www.postgresql.org/docs/current/protocol-flow.html
"""

import base64
import hashlib
import hmac
import os
import socket
import struct
import time

from autoloop.agent.line import Failed, unverified


def greet(line, row):
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
        kind, data = message(line)
        if kind == b"E":
            fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in data.split(b"\0")}
            raise Failed("login", "refused by server", fields.get(b"M", ""), fields.get(b"C", ""))
        if kind == b"Z":
            waits = waiting(line)
            line.send(b"X\0\0\0\4")
            return {"waits": waits}
        if kind == b"R":
            answer = proof(data, user, row["password"], client)
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


def waiting(line):
    """Rows of `WAITS`; none where it is not answered at once, or refused."""
    line.end = min(line.end, time.monotonic() + WAITS_S)
    rows = []
    try:
        for query in ("begin read only", "set local statement_timeout = 800", WAITS):
            rows = rows_of(line, query)
        return [dict(zip(("what", "pid", "user", "program", "seconds"), row)) for row in rows]
    except (Failed, struct.error, ValueError):
        return []


def rows_of(line, query):
    """The rows of a simple query, as text; None for null. Ends at an error too."""
    data = query.encode() + b"\0"
    line.send(b"Q" + struct.pack(">I", len(data) + 4) + data)
    rows, refused = [], None
    while True:
        kind, data = message(line)
        if kind == b"D":
            rows.append(row_of(data))
        elif kind == b"E":
            refused = Failed("query", "refused by server")
        elif kind == b"Z":
            if refused:
                raise refused
            return rows


def row_of(data):
    values, place = [], 2
    for _ in range(struct.unpack(">H", data[:2])[0]):
        size = struct.unpack(">i", data[place : place + 4])[0]
        place += 4
        values.append(None if size < 0 else data[place : place + size].decode("utf-8", "replace"))
        place += max(size, 0)
    return values


def message(line):
    kind = line.take(1)
    size = struct.unpack(">I", line.take(4))[0]
    if not 4 <= size <= 1 << 20:
        raise Failed("login", "nonsense", "it does not speak PostgreSQL's protocol")
    return kind, line.take(size - 4)


def proof(data, user, password, client):
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
    raise Failed("login", "not asked", "it wants authentication method %d" % how)


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
