"""What MySQL and MariaDB tell an application's own account. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). All that is asked only looks.
"""

import contextlib
import re
import struct
import time

from autoloop.agent.line import Failed
from autoloop.agent.mysql_talk import log_in, rows_of

TOLD_S = 1.0
EXPIRED = "1820"  # the account is let in, to set another password and for nothing else


def greet(line, row):
    """Log in as the application would, see what the server tells of itself, and leave."""
    talk = log_in(line, row)
    answer = told(talk)
    with contextlib.suppress(Failed):
        talk.begin(b"\x01")
    return answer


VARIABLES = """
show global variables where variable_name in ('max_connections', 'read_only', 'super_read_only',
'innodb_read_only', 'transaction_read_only', 'tx_read_only')
"""
STATUS = """
show global status where variable_name in ('Threads_connected', 'Slave_running',
'Innodb_row_lock_current_waits')
"""
FOR_ALL = ("innodb_read_only", "super_read_only", "transaction_read_only", "tx_read_only")
EXEMPT = re.compile(r"\b(?:ALL PRIVILEGES|SUPER|CONNECTION_ADMIN|READ.ONLY ADMIN)\b.* ON \*\.\*")
"""An account that may this is not held by ``read_only``."""

OWN = """
select id, time, state, left(info, 400) from information_schema.processlist
where user = substring_index(user(), '@', 1) and db <=> database() and id <> connection_id()
and command in ('Query', 'Execute') and time > 0 order by time desc limit 20
"""
"""The account's own sessions in its database that are at something; every account may ask this."""

HOLDERS = (
    """
select w.trx_mysql_thread_id, k.lock_table, b.trx_mysql_thread_id, p.user, p.host
from information_schema.innodb_lock_waits x
join information_schema.innodb_trx w on w.trx_id = x.requesting_trx_id
join information_schema.innodb_trx b on b.trx_id = x.blocking_trx_id
join information_schema.innodb_locks k on k.lock_id = x.requested_lock_id
left join information_schema.processlist p on p.id = b.trx_mysql_thread_id
where b.trx_state <> 'LOCK WAIT' limit 100
""",
    """
select w.processlist_id, k.object_name, b.processlist_id, b.processlist_user, b.processlist_host
from performance_schema.data_lock_waits x
join performance_schema.data_locks k on k.engine_lock_id = x.requesting_engine_lock_id
join performance_schema.threads w on w.thread_id = x.requesting_thread_id
join performance_schema.threads b on b.thread_id = x.blocking_thread_id
where not exists (select 1 from performance_schema.data_lock_waits y
    where y.requesting_thread_id = x.blocking_thread_id) limit 100
""",
    """
select w.processlist_id, x.object_name, b.processlist_id, b.processlist_user, b.processlist_host
from performance_schema.metadata_locks x
join performance_schema.metadata_locks y on y.object_type = x.object_type
    and y.object_schema <=> x.object_schema and y.object_name <=> x.object_name
    and y.lock_status = 'GRANTED' and y.owner_thread_id <> x.owner_thread_id
join performance_schema.threads w on w.thread_id = x.owner_thread_id
join performance_schema.threads b on b.thread_id = y.owner_thread_id
where x.lock_status = 'PENDING' and not exists (select 1 from performance_schema.metadata_locks z
    where z.owner_thread_id = y.owner_thread_id and z.lock_status = 'PENDING') limit 100
""",
)
"""Who waits for which table, and who is in the way: rows in MariaDB, rows and tables in MySQL. An
account needs rights for it that few applications have."""

STANDS = re.compile(r"Waiting for (.*\block)$")
CHANGES = re.compile(
    r"(?is)\s*(?:update|delete|insert|replace|select\b.*\bfor\s+(?:update|share))\b"
)
LITERAL = re.compile(r"(?s)'(?:[^'\\]|\\.)*(?:'|$)|\"(?:[^\"\\]|\\.)*(?:\"|$)")
TABLE = re.compile(
    r"(?i)\b(?:update|into|from|join|tables?)\s+(?:(?:low_priority|ignore|if exists)\s+)*"
    r"(?:`?[\w$-]+`?\.)?`?([\w$-]+)"
)


def told(talk):
    """What the server tells the account, as far as it does so at once: ``read_only`` (the setting
    by which it takes no changes), ``replica``, ``connections`` of ``most``, ``waits``."""
    talk.line.end = min(talk.line.end, time.monotonic() + TOLD_S)
    answer = {"waits": []}
    try:
        usable(talk)
        have = dict(ask(talk, VARIABLES) + ask(talk, STATUS))
        answer.update(read_only=read_only(talk, have), replica=have.get("Slave_running") == "ON")
        answer.update(connections=number(have, "Threads_connected"))
        answer.update(most=number(have, "max_connections"))
        answer.update(waits=waits(talk, number(have, "Innodb_row_lock_current_waits")))
    except Failed as failed:
        if failed.code == EXPIRED:
            raise
    except (struct.error, LookupError, TypeError, ValueError):  # no answer of a real server
        pass
    return answer


def usable(talk):
    """Make sure that nothing is changed and nothing runs long. Raises `Failed` where the account's
    password has expired: it is let in, and may then do nothing."""
    try:
        rows_of(talk, "start transaction read only")
    except Failed as failed:
        if failed.code == EXPIRED or failed.kind != "refused by server":
            raise
    ask(talk, "set session max_execution_time = 800")  # MySQL
    ask(talk, "set session max_statement_time = 0.8")  # MariaDB


def ask(talk, words):
    """The rows of a query; none where the account may not ask, or the server cannot tell."""
    try:
        return rows_of(talk, words)
    except Failed as failed:
        if failed.kind != "refused by server":
            raise
        return []


def number(have, name):
    return int(have.get(name) or 0)


def read_only(talk, have):
    """The setting by which the server takes no changes of this account; "" where it does."""
    on = [name for name in (*FOR_ALL, "read_only") if have.get(name, "OFF") not in ("OFF", "0")]
    if on == ["read_only"]:
        rights = "\n".join(row[0] or "" for row in ask(talk, "show grants"))
        return "" if EXEMPT.search(rights) else on[0]
    return on[0] if on else ""


def waits(talk, row_waits):
    """The account's sessions that wait for a lock, and who is in the way as far as it is told.

    That a session waits for a table is in its state. One that waits for a row is only seen to be
    at a statement that takes locks: it is counted where the server says who holds it, or where no
    more sessions are at such statements than the server says are waiting for rows (*row_waits*).
    """
    own = [(row[0], int(row[1] or 0), row[2] or "", row[3] or "") for row in ask(talk, OWN)]
    stand = [one for one in own if STANDS.match(one[2])]
    perhaps = [one for one in own if one not in stand and CHANGES.match(one[3])]
    if not stand and not (perhaps and row_waits):
        return []
    holders = {row[0]: row[1:] for query in HOLDERS for row in ask(talk, query)}
    if len(perhaps) > row_waits:
        perhaps = [one for one in perhaps if one[0] in holders]
    return [wait_of(one, *holders.get(one[0], (None, 0, "", ""))) for one in stand + perhaps]


def wait_of(session, table, holder, user, host):
    """One of the account's sessions, and whoever is in its way; of its statement only the table."""
    _, seconds, state, statement = session
    stands = STANDS.match(state)
    named = TABLE.search(LITERAL.sub("''", statement))
    what = (table or "").replace("`", "").rpartition(".")[2] or (named.group(1) if named else "")
    if stands and "table" not in stands.group(1):
        what = stands.group(1)
    whose = "@".join(word for word in (user, (host or "").rpartition(":")[0] or host) if word)
    return {"what": what, "pid": int(holder or 0), "user": whose, "program": "", "seconds": seconds}
