"""Every remedy of the library: what it must declare, and that it only looks."""

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest

from autoloop.core.app import RISKS
from autoloop.core.case import CaseResult
from autoloop.core.diagnosis import Cause
from autoloop.core.facts import DataLock, SettingsDrift
from autoloop.core.plan import make_plan
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.target import (
    Answer,
    ChangeFiles,
    FileState,
    Read,
    RemoveFiles,
    RunCommand,
    RunGuarded,
    SalvageDatabase,
    StopProcess,
)
from tasks.remedies import for_cause, library

GOOD, NOW = "# shop\nHOST=a\nPORT=8080\n", "# shop\nMINE=1\n"
ENV, CONF, CODE = "/etc/shop.env", "/etc/front.conf", "/srv/shop/app/pay.py"
DATA = "/srv/shop/shop.db"
HELD = DataLock(path=DATA, kind="WRITE", pid=7, unit="front.service")
TRACE = f'  File "{CODE}", line 7, in pay\nNameError: name x is not defined'
IMPORT = "ModuleNotFoundError: No module named 'pay'"
FAILED = CaseResult(name="pay", passed=False, status=500)
TABLE = {"readable": 7, "from_backup": 2, "lost": 0, "damaged": True}


def file(text: str) -> FileState:
    """The state of a file that holds *text*."""
    return FileState(kind="file", sha256=hashlib.sha256(text.encode()).hexdigest(), mode=0o600)


class Host:
    """A host whose settings file has lost two lines; it can only be looked at."""

    def __init__(self, now: str = NOW, state: FileState | None = None) -> None:
        good, seen = file(GOOD), state or file(now)
        self.row = {"path": ENV, "good": good.model_dump(), "now": seen.model_dump()}
        self.row |= {"good_text": GOOD, "now_text": now}
        self.asked: list[Read] = []
        self.limit, self.stat = "infinity", FileState().model_dump()
        self.ran: dict[str, Any] = {"code": 0, "out": '{"pay": ["", "2.1"]}'}
        self.salvage: dict[str, Any] = {
            "tables": {"orders": TABLE, "users": {**TABLE, "damaged": False}},
            "complete": True,
            "mended": "",
        }

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:
        """The drift, and what takes room."""
        self.asked += reads
        old = [
            {"path": f"/srv/shop/old/{n}", "bytes": 3 << 20, "size": 3, "inode": n, "mtime_ns": n}
            for n in (1, 2, 3, 4)
        ]
        limit = {"code": 0, "out": f"MemoryMax={self.limit}\n"}
        values: dict[str, Any] = {
            "run": limit if "MemoryMax" in reads[0].args.get("argv", ()) else self.ran,
            "stat": self.stat,
            "backups": [{"id": "b-1", "at": 7.0, "reason": "d-1: before deploying x"}],
            "removable": [old],
            "salvage": self.salvage,
            "biggest": [{"path": "/srv/huge", "bytes": 80_000_000}],
        }
        older = {"path": CODE, "good": file(GOOD).model_dump(), "now": file(NOW).model_dump()}
        rows = {"": [self.row], "b-1": [older, self.row]}
        return tuple(
            Answer(
                ok=True,
                value=values.get(read.op)
                or {"changes": rows[read.args.get("backup", "")], "at": 7.0},
            )
            for read in reads
        )


def example(scenes: Any, name: str) -> Context:
    """A case for the remedy called *name*."""
    settings = SettingsDrift(missing=("HOST", "PORT"))
    drift = scenes.drift(ENV, settings).model_copy(update={"good": file(GOOD), "now": file(NOW)})
    down = {"activity": "failed", "pid": 0}
    facts, cause = {
        "start_service": (scenes.facts(app=down), ("SERVICE.service_down", "app.service", "app")),
        "free_port": (
            scenes.facts(app=down, holders=(scenes.holder(8080, 666, command="stray"),)),
            ("SERVICE.port_blocked", "8080", "app"),
        ),
        "restore_setting": (
            scenes.facts(app=down, drift=(drift,)),
            ("CONFIG.env_missing", "PORT", "app"),
        ),
        "restart_service": (scenes.facts(status=504), ("SERVICE.timeout", "app.service", "app")),
        "release_lock": (
            scenes.facts(status=500, locks=(HELD,)),
            ("DATABASE.deadlock_or_lock_timeout", DATA, "app"),
        ),
        "clear_space": (scenes.facts(free=1_000_000), ("SERVICE.disk_full", "/srv", "app")),
        "restore_data": (
            scenes.facts(damaged={DATA: "page 3"}, status=503),
            ("DATABASE.data_corruption", DATA, "app"),
        ),
        "recycle_service": (
            scenes.facts(app={"memory": 250_000_000}),
            ("SERVICE.memory_leak", "app.service", "app"),
        ),
        "install_dependency": (
            scenes.facts(app={**down, "log": IMPORT}),
            ("CODE.import_error", "pay.py:7", "app"),
        ),
        "restore_access": (
            scenes.facts(app=down, drift=(scenes.drift(ENV, mode="0000"),)),
            ("CONFIG.permission_denied", ENV, "app"),
        ),
        "restore_code": (
            scenes.facts(app=down, drift=(scenes.drift(CODE),)),
            ("CODE.syntax_error", "pay.py:7", "app"),
        ),
        "rollback_release": (
            scenes.facts(app={"log": TRACE}, failing=(FAILED,), status=500),
            ("CODE.runtime_error", "pay.py:7", "app"),
        ),
        "run_procedure": (
            scenes.facts(status=500, due={"migrations": "orders"}),
            ("DATABASE.schema_mismatch", "orders", "app"),
        ),
        "restore_config": (
            scenes.facts(drift=(scenes.drift(CONF),), status=502),
            ("CONFIG.wrong_port", CONF, "front"),
        ),
    }[name]
    words = dict(zip(("name", "culprit", "component"), cause, strict=True))
    return Context(spec=scenes.spec, facts=facts, cause=Cause(confidence=0.9, **words))


def proposed(scenes: Any, name: str) -> Proposal:
    """What the remedy offers for its case."""
    remedy = next(r for r in library() if r.name == name)
    offer = remedy.propose(example(scenes, name), Host())
    assert isinstance(offer, Proposal), offer
    return offer


NAMES = [remedy.name for remedy in library()]


@pytest.mark.parametrize("remedy", library(), ids=NAMES)
def test_it_says_what_it_is(remedy: Any) -> None:
    """Name, cures, words in both languages; it is found by each of its cures."""
    assert NAMES.count(remedy.name) == 1
    assert remedy.cures
    assert remedy.words.en and remedy.words.zh
    assert all(remedy in for_cause(name) for name in remedy.cures)


@pytest.mark.parametrize("name", NAMES)
def test_it_only_looks_and_offers_the_same_again(scenes: Any, name: str) -> None:
    """Proposing changes nothing: neither the context nor, a second time, the offer or its hash."""
    context = example(scenes, name)
    remedy, before = next(r for r in library() if r.name == name), context.model_dump_json()
    offers = [remedy.propose(context, Host()) for _ in range(2)]
    assert offers[0] == offers[1]
    assert context.model_dump_json() == before
    plans = [make_plan(scenes.spec, "i-1", [offer]) for offer in offers]
    assert plans[0].hash == plans[1].hash
    assert remedy.contents(context, Host()) == remedy.contents(context, Host())


@pytest.mark.parametrize("name", NAMES)
def test_its_offer_is_complete(scenes: Any, name: str) -> None:
    """Actions, effects, risk and reason; it survives the journey through JSON."""
    offer = proposed(scenes, name)
    assert offer.remedy == name
    assert offer.actions and offer.effects
    assert offer.risk in RISKS
    assert offer.why.en and offer.why.zh
    assert Proposal.model_validate_json(offer.model_dump_json()) == offer


@pytest.mark.parametrize("name", NAMES)
def test_every_changed_file_is_a_declared_effect(scenes: Any, name: str) -> None:
    """With the content it will have, which is sent or kept on the host, and proved."""
    offer, context = proposed(scenes, name), example(scenes, name)
    remedy = next(r for r in library() if r.name == name)
    declared = {e.subject: e.after for e in offer.effects if e.kind == "file"}
    access = {e.subject for e in offer.effects if e.kind == "permission"}
    changes = [
        c for p in offer.actions if isinstance(p.action, ChangeFiles) for c in p.action.changes
    ]
    folders = [c.path for c in changes if c.after.kind == "dir"]
    changes = [c for c in changes if c.path not in folders]
    assert all(any(path.startswith(f"{one}/") for path in offer.files) for one in folders)
    assert offer.files == {c.path: c.after.sha256 for c in changes}
    kept = {c.path for c in changes if c.before.sha256 == c.after.sha256}
    gone = [
        f.path for p in offer.actions if isinstance(p.action, RemoveFiles) for f in p.action.files
    ]
    gone += [p.action.path for p in offer.actions if isinstance(p.action, SalvageDatabase)]
    assert [declared.pop(path) for path in gone] == [None] * len(gone)
    assert (declared.keys(), access) == (offer.files.keys() - kept, kept)
    assert declared.items() <= offer.files.items()
    known = {*remedy.contents(context, Host()), *(d.good.sha256 for d in context.facts.drift)}
    known.add(file(GOOD).sha256)  # of the backup before the last deployment
    assert {c.after.sha256 for c in changes} <= known


@pytest.mark.parametrize("name", NAMES)
def test_it_refuses_with_a_reason_where_there_is_nothing_for_it(scenes: Any, name: str) -> None:
    """A healthy application with a service that nobody knows: no offer, words in both languages."""
    context = example(scenes, name)
    facts = scenes.facts(app={"activity": "missing"})
    remedy = next(r for r in library() if r.name == name)
    offer = remedy.propose(context.model_copy(update={"facts": facts}), Host())
    assert isinstance(offer, Refusal)
    assert offer.why.en and offer.why.zh


# ---- each in particular


def commands(offer: Proposal) -> list[str]:
    """Its commands, as lines."""
    return [" ".join(p.action.argv) for p in offer.actions if isinstance(p.action, RunCommand)]


def test_start_service_clears_what_has_given_up_and_can_be_undone(scenes: Any) -> None:
    """reset-failed, start; way back: stop."""
    offer = proposed(scenes, "start_service")
    assert commands(offer) == ["systemctl reset-failed app.service", "systemctl start app.service"]
    inverse = offer.actions[-1].inverse
    assert inverse and inverse.argv == ("systemctl", "stop", "app.service")


def test_free_port_ends_each_stray_process_once_by_number_and_start(scenes: Any) -> None:
    """A process on two addresses is one process."""
    context = example(scenes, "free_port")
    twice = tuple(scenes.holder(8080, 666, address=a) for a in ("0.0.0.0", "::"))
    facts = context.facts.model_copy(update={"holders": twice})
    remedy = next(r for r in library() if r.name == "free_port")
    offer = remedy.propose(context.model_copy(update={"facts": facts}), Host())
    assert isinstance(offer, Proposal)
    stops = [p.action for p in offer.actions if isinstance(p.action, StopProcess)]
    assert [(s.pid, s.started) for s in stops] == [(666, 7)]
    assert not offer.reversible


def test_free_port_leaves_another_service_to_a_person(scenes: Any) -> None:
    """Somebody wants it there: the unit is named."""
    context = example(scenes, "free_port")
    owned = (scenes.holder(8080, 666, unit="other.service"),)
    facts = context.facts.model_copy(update={"holders": owned})
    remedy = next(r for r in library() if r.name == "free_port")
    offer = remedy.propose(context.model_copy(update={"facts": facts}), Host())
    assert isinstance(offer, Refusal) and offer.person
    assert "other.service" in offer.why.en and "other.service" in offer.why.zh


def recycled(scenes: Any, host: Host, **declared: Any) -> Proposal:
    """What is offered for a leak on *host*."""
    context = example(scenes, "recycle_service")
    parts = (p.model_copy(update=declared) for p in context.spec.components)
    spec = context.spec.model_copy(update={"components": tuple(parts)})
    remedy = next(r for r in library() if r.name == "recycle_service")
    offer = remedy.propose(context.model_copy(update={"spec": spec}), host)
    assert isinstance(offer, Proposal)
    return offer


def test_recycle_service_sets_the_declared_limit_and_proves_it(scenes: Any) -> None:
    """A drop-in by the journal, read before the restart; on the way back systemd reads again, when
    the file is gone."""
    offer = recycled(scenes, Host())
    [path] = offer.files
    assert path == "/etc/systemd/system/app.service.d/autoloop-memory.conf"
    verbs = [getattr(p.action, "argv", ("", p.action.kind))[1] for p in offer.actions]
    assert verbs == ["daemon-reload", "files", "daemon-reload", "reset-failed", "restart", "-I"]
    assert [bool(p.inverse) for p in offer.actions] == [True, *[False] * 5]
    size = 400 * 10**6 // 4096 * 4096
    assert commands(offer)[-1].endswith(f" app.service {size}")
    remedy = next(r for r in library() if r.name == "recycle_service")
    [content] = remedy.contents(example(scenes, "recycle_service"), Host()).values()
    assert content.decode() == f"[Service]\nMemoryMax={size}\n"


def test_recycle_service_sets_no_limit_that_nobody_has_declared(scenes: Any) -> None:
    """The report says which line would set one."""
    offer = recycled(scenes, Host(), memory_max_mb=None)
    assert commands(offer) == [
        "systemctl reset-failed app.service",
        "systemctl restart app.service",
    ]
    assert "'memory_max_mb = …' of component 'app' in autoloop.toml" in offer.why.en
    assert "memory_max_mb" in offer.why.zh


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (str(400 * 10**6 // 4096 * 4096), "its limit of 399998976 bytes stays"),
        ("7000000", "another limit is set on the host (7000000 bytes) and stays"),
        ("", "another limit is set on the host (nobody can tell which) and stays"),
    ],
)
def test_recycle_service_leaves_a_limit_that_is_there(scenes: Any, limit: str, said: str) -> None:
    """Its own is in force already; another one is somebody's decision."""
    host = Host()
    host.limit = limit
    offer = recycled(scenes, host)
    assert len(offer.actions) == 2 and not offer.files
    assert said in offer.why.en


def test_recycle_service_changes_its_own_limit(scenes: Any) -> None:
    """Once declared otherwise."""
    host = Host()
    host.limit, host.stat = "7000000", file("[Service]\nMemoryMax=7000000\n").model_dump()
    assert len(recycled(scenes, host).files) == 1


def test_restore_data_stops_who_writes_and_goes_back_in_turn(scenes: Any) -> None:
    """Stop, salvage, start; each step has its way back, so that undoing ends with a start."""
    offer = proposed(scenes, "restore_data")
    said = [getattr(p.action, "argv", p.action.kind) for p in offer.actions]
    verbs = [row if isinstance(row, str) else " ".join(row[1:]) for row in said]
    assert verbs.count("salvage") == 1
    assert all(verb.startswith("stop") for verb in verbs[: verbs.index("salvage")])
    assert not any(verb.startswith("stop") for verb in verbs[verbs.index("salvage") :])
    assert "orders: 7 rows read, 2 from the last good copy, 0 lost" in offer.why.en
    assert offer.risk == "medium"


def test_restore_data_is_a_high_risk_when_rows_are_lost(scenes: Any) -> None:
    """How many is said; unknown is said as well."""
    for lost, said in ((3, "3 lost"), (None, "unknown how many lost")):
        host = Host()
        host.salvage = {
            "tables": {"orders": {**TABLE, "lost": lost}},
            "complete": False,
            "mended": "",
        }
        remedy = next(r for r in library() if r.name == "restore_data")
        offer = remedy.propose(example(scenes, "restore_data"), host)
        assert isinstance(offer, Proposal) and offer.risk == "high"
        assert said in offer.why.en


@pytest.mark.parametrize(
    ("cause", "fits"),
    [
        ("DATABASE.schema_mismatch", True),
        ("DATABASE.auth_failed_db", True),
        ("CODE.import_error", False),
    ],
)
def test_a_procedure_may_cure_several_causes(scenes: Any, cause: str, fits: bool) -> None:
    """It is offered for each of them while its check says so, and for no other."""
    (one,) = scenes.spec.procedures
    both = one.model_copy(update={"cures": ("DATABASE.schema_mismatch", "DATABASE.auth_failed_db")})
    context = example(scenes, "run_procedure")
    spec = context.spec.model_copy(update={"procedures": (both,)})
    named = context.cause.model_copy(update={"name": cause})
    remedy = next(r for r in library() if r.name == "run_procedure")
    offer = remedy.propose(context.model_copy(update={"spec": spec, "cause": named}), Host())
    assert isinstance(offer, Proposal) is fits
    if isinstance(offer, Proposal):  # whatever it may change is declared
        assert {"schema", "rows"} <= {effect.kind for effect in offer.effects}


@pytest.mark.parametrize("now", [FileState(), file("another")], ids=["gone", "replaced"])
@pytest.mark.parametrize("name", ["restore_data", "run_procedure"])
def test_a_lost_database_is_left_to_a_person(scenes: Any, name: str, now: FileState) -> None:
    """No migration on an empty one, no older copy without being asked for it."""
    lost = scenes.drift(DATA).model_copy(update={"good": file(GOOD), "now": now})
    facts = scenes.facts(app={"activity": "failed"}, drift=(lost,), due={"migrations": "orders"})
    context = example(scenes, name).model_copy(update={"facts": facts})
    remedy = next(r for r in library() if r.name == name)
    offer = remedy.propose(context, Host())
    assert isinstance(offer, Refusal) and offer.person
    assert DATA in offer.why.en and DATA in offer.why.zh


def test_a_database_that_is_gone_has_a_remedy_that_asks() -> None:
    """The cause of a file that is not there leads to it."""
    for cause in ("CONFIG.missing_file", "DATABASE.data_corruption"):
        assert "restore_data" in [remedy.name for remedy in for_cause(cause)]


def test_rollback_release_needs_a_deployment_that_changed_the_culprit(scenes: Any) -> None:
    """Only the code goes back; a file that no deployment changed is no reason, nor is any code
    that somebody has changed by hand since."""
    offer = proposed(scenes, "rollback_release")
    assert list(offer.files) == [CODE]
    assert "1970-01-01 00:00" in offer.why.en
    remedy = next(r for r in library() if r.name == "rollback_release")
    context = example(scenes, "rollback_release")
    other = context.cause.model_copy(update={"culprit": "ship.py:3"})
    by_hand = context.facts.model_copy(update={"drift": (scenes.drift(CODE),)})
    for update in ({"cause": other}, {"facts": by_hand}):
        assert isinstance(remedy.propose(context.model_copy(update=update), Host()), Refusal)


def test_install_dependency_goes_back_with_its_folder(scenes: Any) -> None:
    """By the command of deployments, under guard; not when somebody changed the manifest, nor when
    nothing is missing, nor when the environment cannot be asked."""
    offer = proposed(scenes, "install_dependency")
    action = offer.actions[0].action
    assert isinstance(action, RunGuarded)
    assert action.trees == ("/srv/shop/venv",)
    assert action.run[0].argv == ("shop", "install")
    assert "pay 2.1" in offer.why.en and "pay 2.1" in offer.why.zh
    remedy = next(r for r in library() if r.name == "install_dependency")
    context = example(scenes, "install_dependency")
    drift = (scenes.drift("/srv/shop/app/requirements.txt"),)
    changed = context.facts.model_copy(update={"drift": drift})
    other = context.model_copy(update={"facts": changed})
    assert isinstance(remedy.propose(other, Host()), Refusal)
    for said in ({"code": 0, "out": "{}"}, {"code": 1, "out": "Traceback"}):
        host = Host()
        host.ran = said
        assert isinstance(remedy.propose(context, host), Refusal)


def test_clear_space_takes_the_oldest_and_no_more_than_needed(scenes: Any) -> None:
    """Five times "full" is 10 MB: with 1 MB free, three files of 3 MiB are enough."""
    offer = proposed(scenes, "clear_space")
    action = offer.actions[0].action
    assert isinstance(action, RemoveFiles)
    assert [file.path[-1] for file in action.files] == ["1", "2", "3"]
    assert (offer.risk, offer.reversible, offer.backup) == ("low", False, False)


def test_clear_space_asks_a_person_when_the_rules_give_too_little(scenes: Any) -> None:
    """And says what takes the room."""
    context = example(scenes, "clear_space")
    huge = context.facts.disks[0].model_copy(update={"total": 10_000_000_000})
    facts = context.facts.model_copy(update={"disks": (huge,)})
    remedy = next(r for r in library() if r.name == "clear_space")
    offer = remedy.propose(context.model_copy(update={"facts": facts}), Host())
    assert isinstance(offer, Refusal) and offer.person
    assert "/srv/huge (80.0 MB)" in offer.why.en and "/srv/huge" in offer.why.zh


def test_restore_setting_brings_all_missing_lines_and_keeps_the_rest(scenes: Any) -> None:
    """Both lost lines, at their places; a line of a person stays."""
    remedy = next(r for r in library() if r.name == "restore_setting")
    contents = remedy.contents(example(scenes, "restore_setting"), Host())
    assert list(contents.values()) == [b"# shop\nHOST=a\nPORT=8080\nMINE=1\n"]


def test_restore_setting_makes_a_deleted_file_again(scenes: Any) -> None:
    """With mode and owner of the good one."""
    host, context = Host("", FileState()), example(scenes, "restore_setting")
    drift = context.facts.drift[0].model_copy(update={"now": FileState()})
    facts = context.facts.model_copy(update={"drift": (drift,)})
    remedy = next(r for r in library() if r.name == "restore_setting")
    offer = remedy.propose(context.model_copy(update={"facts": facts}), host)
    assert isinstance(offer, Proposal) and isinstance(offer.actions[0].action, ChangeFiles)
    after = offer.actions[0].action.changes[0].after
    assert (after.kind, after.mode) == ("file", 0o600)


def test_restore_setting_takes_out_the_new_line_that_is_to_blame_alone(scenes: Any) -> None:
    """What else was added stays; who reads the plan sees that the setting goes."""
    now = f"{GOOD}MINE=1\nBIND=9.9.9.9\n"
    settings = SettingsDrift(added=("BIND", "MINE"))
    drift = scenes.drift(ENV, settings).model_copy(update={"good": file(GOOD), "now": file(now)})
    facts = scenes.facts(app={"activity": "failed"}, drift=(drift,))
    context = example(scenes, "restore_setting")
    cause = Cause(name="CONFIG.wrong_port", component="app", culprit="BIND", confidence=0.9)
    context = context.model_copy(update={"facts": facts, "cause": cause})
    remedy = next(r for r in library() if r.name == "restore_setting")
    contents = remedy.contents(context, Host(now))
    assert list(contents.values()) == [f"{GOOD}MINE=1\n".encode()]
    offer = remedy.propose(context, Host(now))
    assert isinstance(offer, Proposal)
    setting = next(e for e in offer.effects if e.kind == "setting")
    assert (setting.subject, setting.before, setting.after) == (f"{ENV}#BIND", "set", None)


@pytest.mark.parametrize("now", ["# shop\nMINE=\ufffd\n", "# shop\n"])
def test_restore_setting_does_not_write_what_it_could_not_read(scenes: Any, now: str) -> None:
    """A text that is not the file's whole content (bytes, a cut, a later change) is refused."""
    host = Host(now, file(NOW))
    remedy = next(r for r in library() if r.name == "restore_setting")
    assert isinstance(remedy.propose(example(scenes, "restore_setting"), host), Refusal)


def test_restore_config_brings_whole_files_back_and_restarts(scenes: Any) -> None:
    """From the host's own store; drifted settings are not its matter."""
    offer = proposed(scenes, "restore_config")
    assert offer.files == {CONF: "a" * 64}
    assert commands(offer)[-1] == "systemctl restart front.service"
