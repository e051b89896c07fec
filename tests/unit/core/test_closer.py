"""What is asked when something is wrong: ports, servers of settings, and checks of procedures."""

from typing import Any

from autoloop.core.app import AppSpec
from autoloop.core.facts import Facts, checked, closer, closer_reads_for
from autoloop.core.target import Answer

REFUSED = {
    "setting": "DATABASE_URL",
    "scheme": "postgresql",
    "host": "db",
    "port": 5432,
    "user": "shop",
    "database": "shop",
    "addresses": ["10.0.0.5"],
    "reached": "connection",
    "kind": "refused by server",
    "says": 'password=hunter2 is wrong for user "shop"',
    "code": "28P01",
    "ms": 3.0,
}


def answers(sound: bool | None = True) -> tuple[Answer, ...]:
    """The front answers, the app does not; a server that refuses; what is known of the database."""
    silent: dict[str, Any] = {"status": 0, "body": "", "ms": 3000.0, "error": "timed out"}
    return (
        Answer(ok=True, value={**silent, "status": 404, "error": ""}),
        Answer(ok=True, value=silent),
        Answer(ok=True, value=[REFUSED]),
        Answer(ok=True, value={"sound": sound, "says": "page 3; password=hunter2"}),
    )


def test_it_asks_each_port_and_each_server(spec: AppSpec) -> None:
    """In this order."""
    reads = closer_reads_for(spec)
    assert [read.op for read in reads] == [
        "http",
        "http",
        "reach",
        "sqlite_check",
        "locks",
        "files",
        "files",
    ]
    assert [read.args.get("url") for read in reads[:2]] == [
        "http://127.0.0.1:80/",
        "http://127.0.0.1:8080/",
    ]


def test_a_port_without_http_is_not_asked(spec: AppSpec) -> None:
    """A database would write the attempt into its log; what is asked keeps its answer."""
    front, app = spec.components
    quiet = front.model_copy(update={"http": False})
    some = spec.model_copy(update={"components": (quiet, app)})
    assert [read.op for read in closer_reads_for(some)] == [
        "http",
        "reach",
        "sqlite_check",
        "locks",
        "files",
        "files",
    ]
    facts = closer(some, Facts(components={}), answers()[1:])
    assert {name: reply.error for name, reply in facts.direct.items()} == {"app": "timed out"}


def due(spec: AppSpec, code: int, out: str = "", timed_out: bool = False) -> dict[str, str]:
    """What is due by the outcome of the check."""
    ran = {"code": code, "out": out, "err": "", "timed_out": timed_out}
    return checked(Facts(components={}), spec.procedures, (Answer(ok=True, value=ran),)).due


def test_a_check_names_what_is_due_in_its_last_line(spec: AppSpec) -> None:
    """Without a line it is the procedure's name; secrets in it are not kept."""
    assert due(spec, 3, "looking\n0003_orders\n\n") == {"migrations": "0003_orders"}
    assert due(spec, 3) == {"migrations": "migrations"}
    assert "hunter2" not in due(spec, 3, "password=hunter2")["migrations"]


def test_what_cannot_be_told_is_not_due(spec: AppSpec) -> None:
    """A crash, a success, a check that did not end, a host that would not run it."""
    assert [due(spec, 1, "Traceback"), due(spec, 0), due(spec, 3, "x", timed_out=True)] == [{}] * 3
    refused = (Answer(ok=False, error="no such program"),)
    assert checked(Facts(components={}), spec.procedures, refused).due == {}


def test_servers_that_settings_name(spec: AppSpec) -> None:
    """Whose setting it is, how far one got, and what was said, without secrets."""
    (row,) = closer(spec, Facts(components={}), answers()).reach
    assert (row.component, row.setting, row.server) == ("app", "DATABASE_URL", "db:5432")
    assert (row.reached, row.code) == ("connection", "28P01")
    assert "hunter2" not in row.says
    unread = (*answers()[:2], Answer(ok=False, error="ENOENT"), answers()[3])
    assert closer(spec, Facts(components={}), unread).reach == ()


def test_a_database_is_damaged_only_if_that_was_seen(spec: AppSpec) -> None:
    """Not when it is sound, and not when it could not be told; nothing secret is kept."""
    for sound in (True, None):
        assert closer(spec, Facts(components={}), answers(sound=sound)).damaged == {}
    found = closer(spec, Facts(components={}), answers(sound=False)).damaged
    assert list(found) == ["/srv/shop/shop.db"]
    assert "hunter2" not in str(found)


def test_who_holds_a_database(spec: AppSpec) -> None:
    """Of what the agent tells of a process, what a diagnosis needs; secrets are not kept."""
    row = {"pid": 7, "started": 1, "name": "x", "parent": 1, "uid": 0, "unit": "x.service"}
    said = [{**row, "command": "x --password hunter2", "kind": "WRITE"}]
    (lock,) = closer(spec, Facts(components={}), (*answers(), Answer(ok=True, value=said))).locks
    assert (lock.path, lock.pid, lock.kind, lock.unit) == (spec.data.sqlite[0], 7, "WRITE",
                                                          "x.service")  # fmt: skip
    assert "hunter2" not in lock.command


def test_who_waits_in_a_database_and_who_is_in_the_way(spec: AppSpec) -> None:
    """Whatever the server leaves out; a program may call itself what it wants."""
    waits = [
        {
            "what": "users",
            "pid": "9",
            "user": "boss",
            "program": "password=hunter2",
            "seconds": "7",
        },
        {"what": None, "pid": "all", "user": None, "program": None, "seconds": None},
    ]
    row = {**REFUSED, "reached": "login", "kind": "", "waits": waits}
    said = (*answers()[:2], Answer(ok=True, value=[row]), answers()[3])
    one, other = closer(spec, Facts(components={}), said).reach[0].waits
    assert (one.what, one.pid, one.user, one.seconds) == ("users", 9, "boss", 7)
    assert "hunter2" not in one.program
    assert (other.what, other.seconds) == ("", 0)


def test_how_many_files_are_open(spec: AppSpec) -> None:
    """Of each component whose processes are known; one that was not told has none."""
    locks = Answer(ok=True, value=[])
    told = Answer(ok=True, value={"used": 9, "limit": 10, "pid": 7})
    refused = Answer(ok=False, error="x")
    found = closer(spec, Facts(components={}), (*answers(), locks, refused, told)).open_files
    assert {name: (one.used, one.limit) for name, one in found.items()} == {"app": (9, 10)}
