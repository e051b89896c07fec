"""Every probe: what it confirms, what it does not, and that nothing makes it raise."""

from typing import Any

import pytest

from autoloop.core.case import CaseResult, Reply
from autoloop.core.diagnose import diagnose
from autoloop.core.facts import (
    Certificate,
    DataLock,
    Facts,
    OpenFiles,
    Quota,
    Reached,
    SettingsDrift,
    Waiting,
    with_earlier,
)
from autoloop.core.suspicions import PROBES

BY_NAME = {probe.name: probe for probe in PROBES}
DOWN = {"activity": "failed", "pid": 0}
DB = "/srv/shop/shop.db"
SPAWN = (
    "systemd[7]: app.service: Failed at step EXEC spawning /srv/shop/venv/bin/gunicorn: "
    "No such file or directory"
)
UNIT = "/etc/systemd/system/app.service"
ENV, CONF, CODE = "/etc/shop.env", "/etc/front.conf", "/srv/shop/app/pay.py"
DATA = "/srv/shop/shop.db"
TRACE = f"""Traceback (most recent call last):
  File "{CODE}", line 7, in pay
    total = prise + 1
NameError: name 'prise' is not defined"""
GONE = SettingsDrift(missing=("HOST", "PORT"))
LOG = 'connect() failed (111) while connecting, upstream: "http://127.0.0.1:9999/health"'
HELD = Reached(
    component="app", setting="DATABASE_URL", scheme="postgresql", host="10.0.0.5", port=5432,
    user="shop", reached="login",
    waits=(Waiting(what="users", pid=9, user="postgres", program="psql", seconds=5),),
)  # fmt: skip
ASKED = {
    "component": "app",
    "setting": "DATABASE_URL",
    "scheme": "mysql",
    "host": "db",
    "port": 3306,
}
CALM = Reached.model_validate({**ASKED, "read_only": "read_only", "replica": True})
FULL = Reached.model_validate({**ASKED, "connections": 150, "most": 151})
LOST = Reached(
    component="app", setting="DATABASE_URL", scheme="postgresql", host="db", port=5432,
    kind="no such name", says="Name or service not known",
)  # fmt: skip

SHOWN = Certificate(port=443, subject="shop.example", starts=500, ends=1000)

CONFIRMED: dict[str, tuple[dict[str, Any], str, str, str]] = {
    # the facts, and the component, name and culprit that follow
    "data_damaged": (
        {"damaged": {DATA: "Tree 3 page 3: btreeInitPage() returns error code 11"}, "status": 503},
        "app", "DATABASE.data_corruption", DATA,
    ),
    "memory_leak": (
        {"app": {"memory": 250_000_000}}, "app", "SERVICE.memory_leak", "app.service",
    ),
    "certificate_expired": (
        {"status": 200, "now": 2000.0, "certificates": (SHOWN,)},
        "front", "SERVICE.tls_certificate", "shop.example:443",
    ),
    "clock_wrong": (
        {"status": 200, "now": 2000.0, "ahead": 1100.0, "certificates": (SHOWN,)},
        "front", "CONFIG.wrong_clock", "clock",
    ),
    "quota_reached": (
        {"quotas": (Quota(whose="subvolume 256", used=8_000_000, limit=8_100_000),)},
        "app", "SERVICE.disk_full", "/srv",
    ),
    "disk_full": ({"free": 1_000_000}, "app", "SERVICE.disk_full", "/srv"),
    "setting_missing": (
        {"app": {**DOWN, "log": "KeyError: 'PORT'"}, "drift": [(ENV, GONE)]},
        "app", "CONFIG.env_missing", "PORT",
    ),
    "setting_wrong": (
        {"drift": [(ENV, SettingsDrift(changed={"BIND": ("127.0.0.1:8080", "127.0.0.1:9")}))],
         "status": 502},
        "app", "CONFIG.wrong_port", "BIND",
    ),
    "config_broken": (
        {"front": {"config_ok": False, "config_says": "in front.conf:3"}, "drift": [(CONF, None)]},
        "front", "CONFIG.invalid_config_file", CONF,
    ),
    "config_points_elsewhere": (
        {"front": {"config_ok": True, "log": LOG}, "drift": [(CONF, None)], "status": 502},
        "front", "CONFIG.wrong_port", "9999",
    ),
    "port_taken": (
        {"app": DOWN, "holders": [(80, 80), (8080, 666)], "status": 502},
        "app", "SERVICE.port_blocked", "8080",
    ),
    "not_running": ({"app": DOWN, "status": 502}, "app", "SERVICE.service_down", "app.service"),
    "permission_lost": (
        {"app": DOWN, "drift": [(ENV, None, "0000")], "status": 502},
        "app", "CONFIG.permission_denied", ENV,
    ),
    "code_changed": (
        {"app": {"log": TRACE}, "drift": [(CODE, None)], "status": 500},
        "app", "CODE.runtime_error", "pay.py:7",
    ),
    "code_raises": (
        {"app": {"log": TRACE}, "failing": [("pay", 500)], "status": 500},
        "app", "CODE.runtime_error", "pay.py:7",
    ),
    "procedure_due": (
        {"due": {"migrations": "table orders"}, "status": 500},
        "app", "DATABASE.schema_mismatch", "table orders",
    ),
    "server_away": (
        {"app": {"log": "could not translate host name db"}, "status": 500, "reach": (LOST,)},
        "app", "SERVICE.dns_failure", "db",
    ),
    "server_holds_back": (
        {"status": 500, "reach": (HELD,)},
        "app", "DATABASE.deadlock_or_lock_timeout", "users",
    ),
    "server_takes_no_changes": (
        {"status": 500, "reach": (CALM,), "app": {"log": "(1290, running with the --read-only"}},
        "app", "DATABASE.read_only_db", "db:3306",
    ),
    "server_nearly_full": (
        {"status": 500, "reach": (FULL,), "app": {"log": "(1040, 'Too many connections')"}},
        "app", "DATABASE.too_many_connections", "db:3306",
    ),
    "files_exhausted": (
        {"open_files": {"app": OpenFiles(used=1020, limit=1024, pid=7)}, "status": 502},
        "app", "SERVICE.too_many_open_files", "app.service",
    ),
    "setting_added": (
        {"app": DOWN, "drift": [(ENV, SettingsDrift(added=("BIND",)))], "status": 502},
        "app", "CONFIG.invalid_config_file", "BIND",
    ),
    "config_changed": (
        {"app": DOWN, "drift": [(UNIT, None)], "status": 502},
        "app", "CONFIG.invalid_config_file", UNIT,
    ),
    "kept_away": (
        {"direct": {"app": Reply(error="[Errno 111] Connection refused")}, "status": 502},
        "app", "SERVICE.upstream_unreachable", "8080",
    ),
    "log_says": (
        {"app": {**DOWN, "log": "sqlite3.OperationalError: database is locked"}, "status": 502},
        "app", "DATABASE.deadlock_or_lock_timeout", "app.service",
    ),
    "data_gone": (
        {"drift": [(DB, None)], "status": 500}, "app", "DATABASE.data_corruption", DB,
    ),
    "data_locked": (
        {"app": {"log": "database is locked"}, "status": 500,
         "locks": (DataLock(path=DB, kind="WRITE", pid=9, unit="other.service"),)},
        "app", "DATABASE.deadlock_or_lock_timeout", DB,
    ),
    "cannot_be_started": (
        {"app": {**DOWN, "exit_status": 203, "log": SPAWN}, "status": 502},
        "app", "CONFIG.missing_file", "/srv/shop/venv/bin/gunicorn",
    ),
    "hangs": (
        {"direct": {"app": Reply(error="timed out")}, "status": 504},
        "app", "SERVICE.timeout", "app.service",
    ),
    "does_not_answer": (
        {"holders": [(80, 80)], "status": 502}, "app", "CONFIG.wrong_port", "8080",
    ),
}  # fmt: skip


def made(scenes: Any, known: dict[str, Any]) -> Facts:
    """Facts of the short form above."""
    more = dict(known)
    if "drift" in more:
        more["drift"] = tuple(scenes.drift(*row) for row in more["drift"])
    if "failing" in more:
        more["failing"] = tuple(
            CaseResult(name=name, passed=False, status=status) for name, status in more["failing"]
        )
    if "holders" in more:
        more["holders"] = tuple(scenes.holder(*row) for row in more["holders"])
    facts: Facts = scenes.facts(**more)
    return facts


def test_every_probe_has_its_example() -> None:
    """A new one needs a line here."""
    assert set(CONFIRMED) == set(BY_NAME)


@pytest.mark.parametrize("name", CONFIRMED)
def test_it_confirms_what_it_suspects(scenes: Any, name: str) -> None:
    """Component, name, culprit, and evidence that can be read."""
    known, component, cause, culprit = CONFIRMED[name]
    found = BY_NAME[name].judge(scenes.spec, made(scenes, known))
    confirmed = next(f for f in found if f.verdict == "confirms")
    assert (confirmed.component, confirmed.name, confirmed.culprit) == (component, cause, culprit)
    assert 0 < confirmed.likelihood <= 1
    assert any(e.excerpt for e in confirmed.evidence)


@pytest.mark.parametrize("name", CONFIRMED)
def test_it_confirms_nothing_of_a_healthy_application(scenes: Any, name: str) -> None:
    """Not even when files differ: a changed setting that works is somebody's wish."""
    drift = [(ENV, SettingsDrift(missing=("A",), changed={"B": ("1", "2")})), (CONF, None)]
    for known in ({}, {"drift": drift}):
        found = BY_NAME[name].judge(scenes.spec, made(scenes, known))
        assert [f for f in found if f.verdict == "confirms"] == []


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.name)
def test_it_never_raises_and_is_always_the_same(scenes: Any, probe: Any) -> None:
    """On empty facts, and on those of every other example."""
    every = [Facts(components={}), *(made(scenes, row[0]) for row in CONFIRMED.values())]
    for facts in every:
        assert probe.judge(scenes.spec, facts) == probe.judge(scenes.spec, facts)


def test_a_running_service_refutes_that_it_is_down(scenes: Any) -> None:
    """Silence is not the same."""
    found = BY_NAME["not_running"].judge(scenes.spec, scenes.facts())
    assert {f.verdict for f in found} == {"refutes"}


TURNED_AWAY = CaseResult(
    name="status", passed=False, status=401, why="status 401", said='{"error": "token expired"}'
)


@pytest.mark.parametrize(
    ("changed", "said", "name", "culprit"),
    [
        ({"LIFE": ("86400", "0")}, "token expired: log in again", "LOGIN.token_expired", "LIFE"),
        ({"NAME": ("a", "b"), "AGE": ("30m", "1s")}, "会话已过期", "LOGIN.token_expired", "AGE"),
        ({"LIFE": ("24h", "0h")}, "no such page", "CONFIG.invalid_config_file", "LIFE"),
        ({"NAME": ("a", "b")}, "token expired", "CONFIG.invalid_config_file", "NAME"),
    ],
)
def test_a_span_of_time_that_ends_logins(
    scenes: Any, changed: dict[str, tuple[str, str]], said: str, name: str, culprit: str
) -> None:
    """A span was changed and a case was turned away because its login is over: that is one thing.
    Either alone is not."""
    case = TURNED_AWAY.model_copy(update={"said": said})
    drift = (scenes.drift(ENV, SettingsDrift(changed=changed)),)
    facts = scenes.facts(drift=drift, failing=(case,))
    (found,) = BY_NAME["setting_wrong"].judge(scenes.spec, facts)
    assert (found.name, found.culprit) == (name, culprit)


def test_wrong_answers_without_an_error_are_wrong_logic(scenes: Any) -> None:
    """Whatever older errors the log holds; a slow answer is no wrong one."""
    wrong = CaseResult(name="sum", passed=False, status=200, why="total is 21, expected 20")
    drift = (scenes.drift(CODE),)
    facts = scenes.facts(app={"log": TRACE}, drift=drift, failing=(wrong,))
    found = BY_NAME["code_changed"].judge(scenes.spec, facts)[0]
    assert (found.name, found.culprit) == ("CODE.logic_error", "pay.py")
    assert any("total is 21" in e.excerpt for e in found.evidence)
    for other in ({"status": 500}, {"why": "took 900 ms, allowed 100 ms"}):
        case = wrong.model_copy(update=other)
        facts = scenes.facts(app={"log": TRACE}, drift=drift, failing=(case,))
        assert BY_NAME["code_changed"].judge(scenes.spec, facts)[0].name == "CODE.runtime_error"


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ({"activity": "failed", "pid": 0, "result": "oom-kill"}, True),
        ({"restarts": 3, "log": "app.service: Failed with result 'oom-kill'."}, True),
        ({"restarts": 3, "log": "app.service: Failed with result 'exit-code'."}, False),
        ({"restarts": 1, "log": "app.service: Failed with result 'oom-kill'."}, False),
        ({"activity": "failed", "pid": 0, "result": "exit-code"}, False),
    ],
)
def test_what_the_kernel_ends_for_memory(scenes: Any, state: dict[str, Any], found: bool) -> None:
    """Once if it is down for it; again and again if it runs; nothing else is a leak."""
    judged = BY_NAME["memory_leak"].judge(scenes.spec, scenes.facts(app=state))
    assert bool(judged) is found


def test_trouble_that_no_case_notices_is_trouble(scenes: Any) -> None:
    """A full disk and a leak are diagnosed while everything passes; what was before is told."""
    for facts, name in (
        (scenes.facts(free=0), "SERVICE.disk_full"),
        (scenes.facts(app={"memory": 250_000_000}), "SERVICE.memory_leak"),
    ):
        found = diagnose(scenes.spec, facts, ())
        assert (found.top.name, found.severity) == (name, "P0")
    facts = with_earlier(facts, scenes.facts(app={"memory": 210_000_000}))
    said = diagnose(scenes.spec, facts, ()).top.evidence[0].excerpt
    assert "use 250.0 MB, 210.0 MB shortly before" in said
    assert diagnose(scenes.spec, scenes.facts(status=500), ()).benign


def test_a_missing_module_explains_a_service_that_does_not_start(scenes: Any) -> None:
    """But not one that somebody has stopped, whatever its log has from before."""
    log = TRACE.replace("NameError: name 'prise' is not defined", "ModuleNotFoundError: No module")
    for activity, name in (("failed", "CODE.import_error"), ("stopped", "SERVICE.service_down")):
        app = {"activity": activity, "pid": 0, "log": log}
        facts = scenes.facts(app=app, holders=(scenes.holder(80, 80),), status=502)
        assert diagnose(scenes.spec, facts, ()).top.name == name


def test_code_is_not_blamed_for_what_it_works_with(scenes: Any) -> None:
    """A server that refuses is told by a traceback of the code as well."""
    failing = (CaseResult(name="pay", passed=False, status=500),)
    for said in ("sqlalchemy.exc.OperationalError: refused", "ConnectionError: x", "KeyError: 'A'"):
        log = TRACE.replace("NameError: name 'prise' is not defined", said)
        facts = scenes.facts(app={"log": log}, failing=failing, status=500)
        assert BY_NAME["code_raises"].judge(scenes.spec, facts) == ()


@pytest.mark.parametrize(
    ("said", "holders", "found"),
    [
        ("OSError: [Errno 24] Too many open files: 'a.py'", [(80, 80)], True),
        ("Error: EMFILE: too many open files", [(80, 80)], True),
        ("OSError: [Errno 24] Too many open files: 'a.py'", [(80, 80), (8080, 8080)], False),
        ("Booting worker", [(80, 80)], False),
    ],
)
def test_a_service_that_can_open_no_file_and_does_not_serve(
    scenes: Any, said: str, holders: list[tuple[int, int]], found: bool
) -> None:
    """It runs, begins again and again, and has its port at no time; its own words say why."""
    held = tuple(scenes.holder(port, pid) for port, pid in holders)
    facts = scenes.facts(app={"log": said}, holders=held, status=502)
    judged = BY_NAME["files_exhausted"].judge(scenes.spec, facts)
    assert [one.component for one in judged] == (["app"] if found else [])
    first = diagnose(scenes.spec, facts, (CaseResult(name="health", passed=False),)).top
    assert not found or first.name == "SERVICE.too_many_open_files"
