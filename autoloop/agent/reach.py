"""How far one gets from this host to what an application's settings name. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). A settings file is read here and
its passwords stay here: what is answered are names of settings, hosts, ports, users, and the words
of servers. Each address is asked step by step - name, connection, TLS, the server's own greeting,
login - and the first step that fails says what is wrong. Nothing is asked of a server but whether
it lets the application in, and of databases which of the application's sessions wait for a lock,
whether it takes writes, and how many connections it has left.
"""

import os
import threading
import time

from autoloop.agent import mysql, postgresql
from autoloop.agent.addresses import addresses_in, settings_of
from autoloop.agent.line import Failed, Line, connect, connect_to_path, resolve, wrapped

LIMIT = 256 << 10  # bytes of a settings file
WRAPPED = frozenset(["https", "rediss", "amqps", "smtps", "ldaps"])


def read_reach(args):
    """Rows for the servers that a settings file names; all are asked at once.

    ``settings`` is the file, ``timeout_s`` the time for each server. A row has ``setting``,
    ``scheme``, ``host``, ``port``, ``socket``, ``user``, ``database``, ``addresses``, ``reached``
    (the last step that worked: ``""``, ``name``, ``connection``, ``tls``, ``login``), ``kind`` of
    the failure (``""`` when there is none; ``not asked`` when the account could not be tried),
    ``says``, ``code``, ``waits``, ``ms``, and what a server told of itself (`mysql.told`).
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
    kept = {k: row[k] for k in ("setting", "scheme", "host", "port", "socket", "user", "database")}
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
    """Step by step. Where TLS is only preferred and does not come about, it is done without."""
    try:
        go(row, answer, end)
    except Failed as failed:
        preferred = row["sslmode"] in ("prefer", "allow") and row["scheme"] not in WRAPPED
        if failed.step != "tls" or not preferred:
            raise
        go(dict(row, sslmode="disable"), answer, end)


def go(row, answer, end):
    line = Line(opened(row, answer, end), end)
    answer["reached"] = "connection"
    try:
        if row["scheme"] in WRAPPED:
            line.sock = wrapped(line.sock, row["host"])
            answer["reached"] = "tls"
        greet = GREETINGS.get(row["scheme"])
        if greet is not None:
            answer.update(logged_in(greet, line, row))
            answer["reached"] = "login"
    finally:
        line.sock.close()


def opened(row, answer, end):
    """A connection to the server's socket, where the settings name one, or to its address."""
    if row["socket"]:
        answer["reached"] = "name"
        return connect_to_path(row["socket"], end)
    found = resolve(row["host"], row["port"])
    answer.update(addresses=sorted(set(one[4][0] for one in found)), reached="name")
    return connect(found, end)


def logged_in(greet, line, row):
    """What the server tells the account. That one without a password or a name is turned away says
    nothing where they may stand in other settings, or where the server wants to see the system's
    user behind a socket: the application is another one."""
    nameless = row["scheme"] == "mysql" and not row["user"]
    try:
        return greet(line, dict(row, password=row["password"] or "")) or {}
    except Failed as failed:
        if (nameless or row["password"] is None) and failed.code in ANONYMOUS:
            raise Failed("login", "not asked", "the settings that were read hold no full account")
        if row["socket"] and not row["password"] and failed.code == "1698":
            raise Failed("login", "not asked", "it lets in the system's user of that name only")
        raise


ANONYMOUS = ("28P01", "28000", "1045", "1698", "NOAUTH")
"""What servers say to an account that comes without its password."""


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
    "postgresql": postgresql.greet,
    "mysql": mysql.greet,
    "redis": greet_redis,
    "rediss": greet_redis,
}
