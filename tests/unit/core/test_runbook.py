"""Commands for people: complete, and harmless whatever an application's file says."""

import shlex
from typing import Any

from autoloop.core.app import AppSpec, HostSpec
from autoloop.core.diagnose import diagnose
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.incident import Incident
from autoloop.core.runbook import on_host, to_look, unseen

DOWN = {"activity": "failed", "pid": 0}


def found(scenes: Any) -> Diagnosis:
    """The app is down."""
    return diagnose(scenes.spec, scenes.facts(app=DOWN, status=502), ())


def test_a_command_for_another_host_goes_over_ssh(spec: AppSpec) -> None:
    """With its user, key and port; quoted for both shells."""
    host = HostSpec(address="10.0.0.5", port=2222, user="ops", sudo=True, identity_file="/k")
    line = on_host(spec.model_copy(update={"host": host}), "tail", "/var/log/a b")
    assert line == "ssh -i /k -p 2222 ops@10.0.0.5 'sudo tail '\"'\"'/var/log/a b'\"'\"''"
    outer = shlex.split(line)
    assert shlex.split(outer[-1]) == ["sudo", "tail", "/var/log/a b"]


def test_the_component_that_is_blamed_is_looked_at(scenes: Any) -> None:
    """Not the one that only suffers, unless it is down as well."""
    lines = [one.line for one in to_look(scenes.spec, found(scenes))]
    assert "systemctl status --no-pager app.service" in lines
    assert not [line for line in lines if "front.service" in line and "status" in line]
    assert "df -h" in lines


def test_a_case_with_a_secret_is_not_shown(scenes: Any) -> None:
    """It is left to the command that knows it."""
    case = scenes.spec.cases[0].model_copy(update={"headers": {"Authorization": "x"}})
    spec = scenes.spec.model_copy(update={"cases": (case,)})
    impact = found(scenes).impact.model_copy(update={"cases_failing": ("health",)})
    diagnosis = found(scenes).model_copy(update={"impact": impact})
    assert to_look(spec, diagnosis)[-1].line == "autoloop test --app shop"
    assert "curl" in to_look(scenes.spec, diagnosis)[-1].line


def test_what_no_case_asks_is_named_when_nothing_is_found(spec: AppSpec) -> None:
    """The case that logs in as that user; that there is none; or what the cases ask at all."""
    body = {"login": {"username": "admin", "password": "x"}}
    case = spec.cases[0].model_copy(update={"name": "login", "body": body})
    asked = spec.model_copy(update={"cases": (*spec.cases, case)})
    said = [
        unseen(asked, Incident(id="i", app="shop", fields=fields)).en
        for fields in ({"username": "admin"}, {"username": "lan"}, {})
    ]
    assert said[0].startswith("case 'login' logs in as admin, and passes")
    assert said[1].startswith("no case logs in as lan")
    assert "health, login" in said[2]
