"""Facts: every answer in its place, and nothing secret among them."""

from typing import Any

from autoloop.core.app import AppSpec
from autoloop.core.facts import Facts, facts_from, reads_for
from autoloop.core.target import Answer

RAN = {"code": 0, "out": "", "err": "", "seconds": 0.0, "timed_out": False}
NO = Answer(ok=False, error="EACCES")


def answers(spec: AppSpec, **said: Any) -> tuple[Answer, ...]:
    """Empty answers but for those of *said*, by the read's operation."""
    plain = {
        "facts": {"time": 9.0, "uptime": 5.0},
        "listeners": [],
        "drift": {"backup": "b", "changes": []},
        "http": {"status": 200, "body": "", "ms": 1.0, "error": ""},
        "run": RAN,
        "file": {"text": "", "size": 0},
        "disks": [],
        "memory": {"bytes": 5, "processes": 1, "biggest": 5, "command": "x"},
        "certificates": [],
    }
    return tuple(Answer(ok=True, value={**plain, **said}[read.op]) for read in reads_for(spec))


def test_all_is_asked_in_one_batch_and_read_in_its_order(spec: AppSpec) -> None:
    """Six reads of the host, three of each component, and memory where it is declared."""
    assert len(reads_for(spec)) == 6 + 3 * 2 + 1
    facts = facts_from(spec, answers(spec))
    assert (facts.good, facts.now, facts.uptime, facts.health.status) == ("b", 9.0, 5.0, 200)
    assert facts.of(spec.component("front")).config_ok is True
    assert facts.of(spec.component("app")).config_ok is None


def test_a_host_that_answers_nothing_makes_empty_facts(spec: AppSpec) -> None:
    """No exception, no component that serves."""
    facts = facts_from(spec, (NO,) * len(reads_for(spec)))
    assert facts.health.error == "EACCES"
    assert not any(facts.serves(part) for part in spec.components)
    assert not any(Facts(components={}).serves(part) for part in spec.components)


def test_nothing_secret_is_kept(spec: AppSpec) -> None:
    """Of logs, tests, commands, settings and answers."""
    leak = "DB_PASSWORD=hunter2\n"
    row = {
        "path": "/etc/shop.env",
        "good": {"kind": "file"},
        "now": {"kind": "file"},
        "good_text": leak + "URL=postgres://u:hunter2@h/d\nA=1",
        "now_text": "DB_PASSWORD=hunter2hunter2\nURL=x\nA=2",
    }
    listener = {"port": 80, "address": "::", "owner": {"pid": 5, "command": "x --password hunter2"}}
    facts = facts_from(
        spec,
        answers(
            spec,
            run={**RAN, "out": leak * 2000, "err": leak},
            http={"status": 500, "body": f'{{"token": "hunter2"}}{leak}', "ms": 1.0, "error": leak},
            drift={"backup": "b", "changes": [row]},
            listeners=[listener],
        ),
    )
    assert "hunter2" not in facts.model_dump_json()
    settings = facts.drift[0].settings
    assert settings and settings.changed["A"] == ("1", "2")
    assert set(settings.changed) == {"A", "DB_PASSWORD", "URL"}


def test_what_is_no_code_does_not_differ_from_the_code(spec: AppSpec) -> None:
    """A log in the code tree grows; a database there is seen by its own rules alone."""
    inside = [f"/srv/shop/app/{name}" for name in ("x.py", "shop.db", "shop.db-wal", "app.log.1")]
    rows = [{"path": p, "good": {"kind": "file"}, "now": {"kind": "absent"}} for p in inside]
    parts = [
        part.model_copy(update={"logs": ("/srv/shop/app/app.log",)}) for part in spec.components
    ]
    data = spec.data.model_copy(update={"sqlite": (inside[1],)})
    spec = spec.model_copy(update={"components": tuple(parts), "data": data})
    for sqlite, seen in ({}, inside[:1]), ({inside[1]: {}}, inside[:2]):
        drift = {"backup": "b", "changes": rows, "sqlite": sqlite}
        facts = facts_from(spec, answers(spec, drift=drift))
        assert [drift.path for drift in facts.drift] == seen


def test_a_line_that_was_cut_is_left_out(spec: AppSpec) -> None:
    """Its end may be a secret whose name was cut off."""
    parts = [part.model_copy(update={"logs": ("/var/log/x",)}) for part in spec.components]
    logged = spec.model_copy(update={"components": tuple(parts)})
    for size, kept in ((99999, "whole"), (12, "er2\nwhole")):
        text = {"text": "er2\nwhole", "size": size if size > 12 else len("er2\nwhole")}
        facts = facts_from(logged, answers(logged, file=text))
        assert facts.of(parts[0]).log.strip() == kept


def test_an_added_and_a_missing_setting_are_told_apart(spec: AppSpec) -> None:
    """By name, sorted."""
    row = {
        "path": "/etc/shop.env",
        "good": {},
        "now": {},
        "good_text": "B=1\nA=1",
        "now_text": "C=1",
    }
    settings = (
        facts_from(spec, answers(spec, drift={"backup": "b", "changes": [row]})).drift[0].settings
    )
    assert settings and (settings.missing, settings.added) == (("A", "B"), ("C",))
