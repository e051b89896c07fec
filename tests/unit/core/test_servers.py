"""What the way to a server says of the cause."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.case import Reply
from autoloop.core.facts import ComponentFacts, Reached, SettingsDrift
from autoloop.core.service import ServiceState
from autoloop.core.suspicions.servers import cause_of, culprit_of, server_away
from autoloop.core.suspicions.settings import setting_wrong

ENV = "/etc/shop.env"


def server(**more: Any) -> Reached:
    """A database that answers, but for what is said."""
    known = {"component": "app", "setting": "DATABASE_URL", "scheme": "postgresql"}
    return Reached.model_validate({**known, "host": "db", "port": 5432, "user": "shop", **more})


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        ({"kind": "no such name"}, "SERVICE.dns_failure"),
        ({"kind": "no name server"}, "SERVICE.dns_failure"),
        ({"kind": "timeout", "reached": ""}, "SERVICE.dns_failure"),
        ({"kind": "refused", "reached": "name"}, "DATABASE.connection_error"),
        ({"kind": "timeout", "reached": "name"}, "DATABASE.connection_error"),
        ({"kind": "timeout", "reached": "name", "scheme": "https"},
         "SERVICE.upstream_unreachable"),
        ({"kind": "timeout", "reached": "connection", "scheme": "https"}, "SERVICE.timeout"),
        ({"kind": "certificate", "scheme": "https"}, "SERVICE.tls_certificate"),
        ({"kind": "nonsense", "reached": "connection"}, "CONFIG.wrong_port"),
        ({"kind": "refused by server", "code": "28P01"}, "DATABASE.auth_failed_db"),
        ({"kind": "refused by server", "code": "28000",
          "says": 'role "shop" does not exist'}, "DATABASE.user_not_found"),
        ({"kind": "refused by server", "code": "53300"}, "DATABASE.too_many_connections"),
        ({"kind": "refused by server", "code": "WRONGPASS", "scheme": "redis"},
         "CONFIG.auth_failed"),
        ({"kind": "refused by server", "code": "1045"}, "DATABASE.auth_failed_db"),
        ({"kind": "refused by server", "code": "4151"}, "DATABASE.auth_failed_db"),
        ({"kind": "refused by server", "code": "1226"}, "DATABASE.too_many_connections"),
        ({"kind": "refused by server", "code": "1129"}, "DATABASE.connection_error"),
        ({"kind": "refused by server", "code": "1049"}, "DATABASE.schema_mismatch"),
    ],
)  # fmt: skip
def test_the_step_that_failed_names_the_cause(failure: dict[str, Any], name: str) -> None:
    """Pairs that look alike from afar are told apart by how far one got."""
    assert cause_of(server(**failure)) == name


def test_one_that_nobody_speaks_of_is_no_cause_before_others(scenes: Any) -> None:
    """An application may do without it."""
    away = server(kind="refused", reached="name")
    quiet = scenes.facts(status=500, reach=(away,))
    told = scenes.facts(status=500, reach=(away,), app={"log": "connection to db:5432 failed"})
    found, sure = (server_away(scenes.spec, f, scenes.spec.component("app")) for f in (quiet, told))
    assert found is not None and sure is not None
    assert found.likelihood < 0.5 < sure.likelihood
    assert found.depth < 10 < sure.depth


def test_a_changed_setting_explains_a_refused_account(scenes: Any) -> None:
    """The setting is the cause, the refusal its evidence; the one that is refused is blamed."""
    changed = {"COLOUR": ("red", "blue"), "DATABASE_URL": ("postgresql://a", "postgresql://b")}
    facts = scenes.facts(
        status=500,
        drift=(scenes.drift(ENV, SettingsDrift(changed=changed)),),
        reach=(server(kind="refused by server", code="28P01", says="password failed"),),
    )
    found = setting_wrong(scenes.spec, facts, scenes.spec.component("app"))
    assert found is not None
    assert (found.name, found.culprit) == ("CONFIG.auth_failed", "DATABASE_URL")
    assert "28P01" in found.evidence[1].excerpt


HBA = "/etc/pg_hba.conf"
KEEPER = {"name": "database", "unit": "pg.service", "port": 5432, "http": False}
TOLD = "password authentication failed"


def told(scenes: Any, log: str = "", drift: Any = (), **answer: Any) -> Any:
    """What is found when the application's own database turns its account away."""
    parts = [*(part.model_dump() for part in scenes.spec.components), {**KEEPER, "config": [HBA]}]
    spec = AppSpec.model_validate({**scenes.spec.model_dump(), "components": parts})
    one = server(host="127.0.0.1", kind="refused by server", reached="connection", **answer)
    facts = scenes.facts(status=500, reach=(one,), drift=drift)
    seen = ComponentFacts(service=ServiceState(activity="running", pid=5432), log=log)
    holders = (*facts.holders, scenes.holder(5432, 5432))
    parts = {**facts.components, "database": seen}
    facts = facts.model_copy(update={"components": parts, "holders": holders})
    return server_away(spec, facts, spec.component("app"))


def test_a_component_that_turns_the_account_away_is_blamed_itself(scenes: Any) -> None:
    """The settings are as they were: it is not the application's doing."""
    says = 'role "shop" is not permitted to log in'
    found = told(scenes, code="28000", says=says)
    assert (found.component, found.culprit) == ("database", "shop")
    assert found.name == "DATABASE.auth_failed_db"


def test_a_changed_setting_is_the_application_s_own(scenes: Any) -> None:
    """The database has only said what it had to."""
    changed = SettingsDrift(changed={"DATABASE_URL": ("a", "b")})
    found = told(scenes, drift=(scenes.drift(ENV, changed),), code="28P01", says=TOLD)
    assert found.component == "app"


def test_its_changed_configuration_is_the_culprit(scenes: Any) -> None:
    """It goes before the wrong port that a changed file could mean as well."""
    says = 'pg_hba.conf rejects connection for host "127.0.0.1"'
    found = told(scenes, drift=(scenes.drift(HBA),), code="28000", says=says)
    assert (found.component, found.culprit, found.depth) == ("database", HBA, 30)


REFUSAL = 'FATAL:  password authentication failed for user "shop"\n'
NO_ROLE = 'DETAIL:  Role "shop" does not exist.\n'


@pytest.mark.parametrize(
    ("log", "code", "name"),
    [
        (REFUSAL + NO_ROLE, "28P01", "DATABASE.user_not_found"),
        (REFUSAL, "28P01", "DATABASE.auth_failed_db"),
        (REFUSAL + NO_ROLE + REFUSAL, "28P01", "DATABASE.auth_failed_db"),
        (REFUSAL + NO_ROLE, "28000", "DATABASE.auth_failed_db"),
        ("", "28P01", "DATABASE.auth_failed_db"),
    ],
)
def test_the_server_s_log_tells_a_role_that_is_gone(
    scenes: Any, log: str, code: str, name: str
) -> None:
    """The client hears of a password in both cases; what an older refusal said does not count."""
    assert told(scenes, log=log, code=code, says=TOLD).name == name


def test_a_server_that_lets_us_wait_as_the_application_does(scenes: Any) -> None:
    """Nothing else need speak of it; where the application answers, it can do without."""
    part, away = scenes.spec.component("app"), server(kind="timeout", reached="name")
    for status, error, likelihood in ((0, "timed out", 0.8), (500, "", 0.4), (0, "refused", 0.4)):
        facts = scenes.facts(reach=(away,))
        facts = facts.model_copy(update={"health": Reply(status=status, error=error)})
        found = server_away(scenes.spec, facts, part)
        assert found and found.likelihood == likelihood


def test_whom_a_refusal_concerns() -> None:
    """The account, the database that is not there, or the server: over a socket, its path."""
    one = {"scheme": "mysql", "database": "orders", "socket": "/run/s"}
    culprits = [culprit_of(server(**one, code=code)) for code in ("1045", "1049", "1040")]
    assert culprits == ["shop", "orders", "/run/s"]


def test_an_account_that_could_not_be_tried_is_no_failure(scenes: Any) -> None:
    """That is said, and nobody is blamed for it."""
    facts = scenes.facts(status=500, reach=(server(kind="not asked", says="it wants ed25519"),))
    part = scenes.spec.component("app")
    assert server_away(scenes.spec, facts, part) is None
    changed = (scenes.drift(ENV, SettingsDrift(changed={"DATABASE_URL": ("a", "b")})),)
    found = setting_wrong(scenes.spec, facts.model_copy(update={"drift": changed}), part)
    assert found is not None and found.name == "CONFIG.invalid_config_file"
