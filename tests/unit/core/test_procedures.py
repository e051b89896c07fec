"""Which checks are asked: those that may still tell something."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.case import Reply
from autoloop.core.diagnosis import UNKNOWN, Cause, Diagnosis
from autoloop.core.suspicions.procedures import procedure_due, worth_asking


def spec_of(scenes: Any) -> AppSpec:
    """Migrations of the app's, a certificate of the front's."""
    (one,) = scenes.spec.procedures
    other = {"name": "renew", "cures": ("SERVICE.tls_certificate",), "component": "front"}
    rows = (one, one.model_copy(update=other))
    return AppSpec.model_validate(scenes.spec.model_copy(update={"procedures": rows}).model_dump())


@pytest.mark.parametrize(
    ("causes", "asked"),
    [
        ([(UNKNOWN, "", 0)], ["migrations", "renew"]),
        ([("SERVICE.upstream_unreachable", "app", 5)], ["migrations", "renew"]),
        ([("SERVICE.service_down", "app", 20)], ["migrations"]),
        ([("CONFIG.env_missing", "app", 30)], []),
        ([("CONFIG.invalid_config_file", "front", 32)], ["migrations"]),
        ([("CONFIG.env_missing", "app", 30), ("DATABASE.schema_mismatch", "app", 9)],
         ["migrations"]),
        ([("SERVICE.port_blocked", "app", 31), ("SERVICE.tls_certificate", "front", 8)],
         ["renew"]),
    ],
)  # fmt: skip
def test_what_would_rank_behind_is_not_asked(
    scenes: Any, causes: list[tuple[str, str, int]], asked: list[str]
) -> None:
    """Unless it cures what is found: a program of the application's takes long to start."""
    rows = [Cause(name=n, component=c, depth=d, confidence=0.8) for n, c, d in causes]
    found = worth_asking(spec_of(scenes), scenes.facts(), Diagnosis(causes=tuple(rows)))
    assert [one.name for one in found] == asked


@pytest.mark.parametrize(
    ("status", "asked"), [(404, []), (503, ["migrations"]), (0, ["migrations"])]
)
def test_a_part_that_answers_is_not_asked_when_another_is_broken(
    scenes: Any, status: int, asked: list[str]
) -> None:
    """The front was stopped; the application works, or does not."""
    down = Cause(name="SERVICE.service_down", component="front", depth=20, confidence=0.9)
    facts = scenes.facts(direct={"app": Reply(status=status)})
    found = worth_asking(scenes.spec, facts, Diagnosis(causes=(down,)))
    assert [one.name for one in found] == asked


def test_one_may_cure_several_causes(scenes: Any) -> None:
    """Its check tells of the first; a finding of any of them is worth asking it."""
    (one,) = scenes.spec.procedures
    cures = ["DATABASE.user_not_found", "DATABASE.auth_failed_db"]
    row = scenes.spec.model_dump() | {"procedures": [one.model_dump() | {"cures": cures}]}
    spec = AppSpec.model_validate(row)
    locked = Cause(name=cures[1], component=one.component, depth=26, confidence=0.9)
    found = worth_asking(spec, scenes.facts(), Diagnosis(causes=(locked,)))
    assert [each.name for each in found] == [one.name]
    told = procedure_due(spec, scenes.facts(due={one.name: "shop"}), spec.component("app"))
    assert told is not None and told.name == cures[0]


@pytest.mark.parametrize("cures", [[], "DATABASE.nonsense", ["CODE.import_error", 7]])
def test_what_nothing_cures_is_refused(scenes: Any, cures: Any) -> None:
    """With the place that is wrong."""
    (one,) = scenes.spec.procedures
    row = scenes.spec.model_dump() | {"procedures": [one.model_dump() | {"cures": cures}]}
    with pytest.raises(ValueError, match=r"procedures\.0\.cures"):
        AppSpec.model_validate(row)
