"""What the way to a server says of the cause."""

from typing import Any

import pytest

from autoloop.core.facts import Reached, SettingsDrift
from autoloop.core.suspicions.servers import cause_of, server_away
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
