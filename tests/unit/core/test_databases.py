"""What a database that lets the application in says of the cause."""

from typing import Any

import pytest

from autoloop.core.case import Case, CaseResult
from autoloop.core.facts import Reached
from autoloop.core.suspicions.databases import (
    server_holds_back,
    server_nearly_full,
    server_takes_no_changes,
)


def server(**more: Any) -> Reached:
    """A database that lets the application in."""
    known = {"component": "app", "setting": "DATABASE_URL", "scheme": "mysql", "reached": "login"}
    return Reached.model_validate({**known, "host": "db", "port": 3306, "user": "shop", **more})


HELD = {"what": "users", "pid": 9, "user": "postgres", "program": "psql"}


@pytest.mark.parametrize(
    ("seconds", "status", "found"), [(5, 500, True), (1, 500, False), (5, 200, False)]
)
def test_a_session_that_waits_long_for_another_names_it(
    scenes: Any, seconds: int, status: int, found: bool
) -> None:
    """Short waits are ordinary, and where all is well nothing waits too long."""
    away = server(waits=[{**HELD, "seconds": seconds}])
    facts = scenes.facts(status=status, reach=(away,))
    judged = server_holds_back(scenes.spec, facts, scenes.spec.component("app"))
    assert (judged is not None) is found
    if judged:
        assert (judged.culprit, judged.component) == ("users", "app")
        assert judged.evidence[-1].excerpt == "process 9 of postgres psql is in their way"


def test_who_is_in_the_way_is_not_told_to_everybody(scenes: Any) -> None:
    """An ordinary account of MySQL only knows that it waits."""
    away = server(waits=[{"what": "users", "seconds": 5}])
    facts = scenes.facts(status=500, reach=(away,))
    judged = server_holds_back(scenes.spec, facts, scenes.spec.component("app"))
    assert judged is not None
    assert judged.evidence[-1].excerpt == "who is in their way is not told to this account"


SAID = "pymysql.err.OperationalError: (1290, 'running with the --read-only option so it cannot')"


@pytest.mark.parametrize(
    ("log", "failing", "status", "likelihood"),
    [
        (SAID, ("list",), 500, 0.9),
        ("", ("order",), 200, 0.8),
        ("", ("list", "order"), 500, 0.4),
        ("", ("list",), 200, 0.4),
        ("", (), 200, None),
    ],
)
def test_a_server_that_takes_no_changes(
    scenes: Any, log: str, failing: tuple[str, ...], status: int, likelihood: float | None
) -> None:
    """Of a server that is only read that is ordinary: the log must speak of it, or changes alone
    must fail."""
    spec = scenes.spec
    own = [Case(name="list", url="/"), Case(name="order", url="/", method="POST")]
    spec = spec.model_copy(update={"cases": (spec.cases[0], *own)})
    results = tuple(CaseResult(name=name, passed=False, status=500) for name in failing)
    calm = server(read_only="read_only")
    facts = scenes.facts(status=status, reach=(calm,), failing=results, app={"log": log})
    found = server_takes_no_changes(spec, facts, spec.component("app"))
    assert (found and found.likelihood) == likelihood


@pytest.mark.parametrize(
    ("used", "log", "found"),
    [
        (150, "Too many connections", True),
        (150, "", False),
        (100, "Too many connections", False),
    ],
)
def test_a_server_that_is_nearly_full(scenes: Any, used: int, log: str, found: bool) -> None:
    """It let us in, and turned the application away."""
    full = server(connections=used, most=151)
    facts = scenes.facts(status=500, reach=(full,), app={"log": log})
    judged = server_nearly_full(scenes.spec, facts, scenes.spec.component("app"))
    assert (judged is not None) is found
