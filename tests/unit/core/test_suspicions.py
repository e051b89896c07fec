"""What suspicions tell apart: a cut way from a program that stands still, new words from old."""

from typing import Any

import pytest

from autoloop.core.case import Reply
from autoloop.core.facts import SettingsDrift
from autoloop.core.suspicions.logs import log_says
from autoloop.core.suspicions.service import hangs, kept_away
from autoloop.core.suspicions.settings import config_broken, setting_added, setting_wrong

ENV = "/etc/shop.env"
DROPPED = Reply(error="connection timed out: nothing comes back")
SILENT = Reply(error="timed out")
REFUSED = Reply(error="[Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("reply", "address", "cut", "still"),
    [
        (SILENT, "0.0.0.0", None, "SERVICE.timeout"),
        (DROPPED, "127.0.0.1", "SERVICE.upstream_unreachable", None),
        (REFUSED, "::", "SERVICE.upstream_unreachable", None),
        (REFUSED, "127.0.0.2", "CONFIG.wrong_port", None),
        (Reply(status=404), "0.0.0.0", None, None),
    ],
)
def test_who_gets_no_answer_is_told_why(
    scenes: Any, reply: Reply, address: str, cut: str | None, still: str | None
) -> None:
    """A program that stands still takes connections; a firewall, or another address, does not."""
    holders = (scenes.holder(80, 80), scenes.holder(8080, 8080, address=address))
    facts = scenes.facts(status=504, holders=holders, direct={"app": reply})
    part = scenes.spec.component("app")
    for judge, expected in ((kept_away, cut), (hangs, still)):
        found = judge(scenes.spec, facts, part)
        assert (found.name if found else None) == expected


def test_a_new_setting_may_move_the_address(scenes: Any) -> None:
    """It is the setting that is blamed; where nothing speaks of addresses, its file is wrong."""
    drift = (scenes.drift(ENV, SettingsDrift(added=("BIND",))),)
    part = scenes.spec.component("app")
    for direct, name in ((REFUSED, "CONFIG.wrong_port"), (SILENT, "CONFIG.invalid_config_file")):
        facts = scenes.facts(status=502, drift=drift, direct={"app": direct})
        found = setting_added(scenes.spec, facts, part)
        assert found is not None
        assert (found.name, found.culprit) == (name, "BIND")


def test_a_failed_test_of_a_configuration_that_did_not_change(scenes: Any) -> None:
    """What it names is to blame: a certificate that is gone."""
    says = (
        'nginx: [emerg] cannot load certificate "/etc/tls/cert.pem": BIO_new_file() failed '
        "(SSL: error:80000002:system library::No such file or directory)\n"
        "nginx: configuration file /etc/nginx/nginx.conf test failed"
    )
    facts = scenes.facts(front={"config_ok": False, "config_says": says})
    found = config_broken(scenes.spec, facts, scenes.spec.component("front"))
    assert found is not None
    assert (found.name, found.culprit) == ("SERVICE.tls_certificate", "/etc/tls/cert.pem")


def test_a_service_stopped_in_order_did_not_end_by_its_words(scenes: Any) -> None:
    """Somebody stopped it."""
    log = "sqlite3.OperationalError: database is locked"
    part = scenes.spec.component("app")
    for how, heard in (({"activity": "stopped", "result": "success"}, False),
                       ({"activity": "stopped", "result": "stopped"}, False),  # by supervisord
                       ({"activity": "stopped", "result": "exited"}, True),
                       ({"activity": "failed", "result": "exit-code"}, True)):  # fmt: skip
        facts = scenes.facts(status=502, app={**how, "pid": 0, "log": log})
        assert bool(log_says(scenes.spec, facts, part)) is heard


@pytest.mark.parametrize(
    ("said", "heard"),
    [("No space left on device", False), ("[Errno 122] Disk quota exceeded: '/srv/x'", True)],
)
def test_a_quota_is_heard_of_only_in_a_log(scenes: Any, said: str, heard: bool) -> None:
    """The file system has room; that it has none it would show itself."""
    part = scenes.spec.component("app")
    down = {"activity": "failed", "result": "exit-code", "pid": 0, "log": f"OSError: {said}"}
    found = log_says(scenes.spec, scenes.facts(status=502, app=down), part)
    assert [one.name for one in (found,) if one] == (["SERVICE.disk_full"] if heard else [])


@pytest.mark.parametrize(
    ("key", "good", "now", "name"),
    [
        ("PORT", "8080", "8081", "CONFIG.wrong_port"),
        ("BACKEND", "http://10.0.0.5:80", "http://10.0.0.6:80", "CONFIG.wrong_port"),
        ("JWT_TTL_S", "86400", "3601", "CONFIG.invalid_config_file"),
    ],
)
def test_a_number_is_a_port_where_the_setting_says_so(
    scenes: Any, key: str, good: str, now: str, name: str
) -> None:
    """A time in seconds is none."""
    drift = (scenes.drift(ENV, SettingsDrift(changed={key: (good, now)})),)
    facts = scenes.facts(status=500, drift=drift)
    found = setting_wrong(scenes.spec, facts, scenes.spec.component("app"))
    assert found is not None
    assert (found.name, found.culprit) == (name, key)
