"""What suspicions tell apart: a cut way from a program that stands still, new words from old."""

from typing import Any

import pytest

from autoloop.core.case import Reply
from autoloop.core.facts import Quota, SettingsDrift
from autoloop.core.suspicions.disk import disk_full, quota_reached
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


USER = "web1 systemd[1]: shop.service: Main process exited, code=exited, status=217/USER"
STARTED = "web1 systemd[1]: Started shop.service - Shop."
FOLDER = "web1 shop[9]: Error: '/var/log/shop' isn't writable [PermissionError(13, 'denied')]"


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        ([USER, STARTED, FOLDER], "CONFIG.permission_denied"),
        ([FOLDER, STARTED, USER], "CONFIG.invalid_config_file"),
        ([FOLDER, STARTED, "web1 shop[9]: listening on port 8080"], "CONFIG.permission_denied"),
        ([FOLDER], "CONFIG.permission_denied"),
    ],
)
def test_what_is_said_since_the_last_start_goes_first(
    scenes: Any, lines: list[str], name: str
) -> None:
    """What was said before may have been mended; it counts where nothing was said since."""
    down = {"activity": "failed", "result": "exit-code", "pid": 0, "log": "\n".join(lines)}
    found = log_says(scenes.spec, scenes.facts(status=502, app=down), scenes.spec.component("app"))
    assert found is not None
    assert found.name == name


NEARLY = Quota(whose="subvolume 256", used=99_000_000, limit=100_000_000)
ROOM = NEARLY.model_copy(update={"used": 50_000_000})
OVER = "OSError: [Errno 122] Disk quota exceeded: '/srv/x'"


@pytest.mark.parametrize(
    ("facts", "found", "evidence"),
    [
        ({"quotas": (NEARLY,)}, ["quota_reached"], "quota of subvolume 256: 99.0 MB of 100.0 MB"),
        ({"quotas": (ROOM, NEARLY)}, ["quota_reached"], "has room: 10.0 MB of 100.0 MB free"),
        ({"quotas": (ROOM,)}, [], ""),
        ({"app": {"log": OVER}, "status": 500}, ["quota_reached"], "Disk quota exceeded"),
        ({"app": {"log": OVER}}, [], ""),  # it is well: that is over
        ({"app": {"log": "No space left on device"}, "status": 500}, [], ""),
        ({"app": {"log": "API quota exceeded"}, "status": 500}, [], ""),
        ({"quotas": (NEARLY,), "free": 0}, ["disk_full"], "0.0 MB of 100.0 MB free"),
        ({"app": {"log": OVER}, "status": 500, "free": 0}, ["disk_full"], "0.0 MB of"),
    ],
)
def test_a_quota_is_not_a_full_disk(
    scenes: Any, facts: dict[str, Any], found: list[str], evidence: str
) -> None:
    """One that is seen counts by itself; one that is not, by the system's own word in the log, as
    long as the file system has room."""
    seen, part = scenes.facts(**facts), scenes.spec.component("app")
    said = [one for judge in (quota_reached, disk_full) if (one := judge(scenes.spec, seen, part))]
    names = {"quota_reached": quota_reached, "disk_full": disk_full}
    assert [name for name, judge in names.items() if judge(scenes.spec, seen, part)] == found
    assert all((one.name, one.culprit) == ("SERVICE.disk_full", "/srv") for one in said)
    assert evidence in "\n".join(e.excerpt for one in said for e in one.evidence)


def test_a_log_is_not_believed_about_room(scenes: Any) -> None:
    """What the host itself shows better."""
    part = scenes.spec.component("app")
    for said in ("No space left on device", OVER):
        down = {"activity": "failed", "result": "exit-code", "pid": 0, "log": f"OSError: {said}"}
        assert log_says(scenes.spec, scenes.facts(status=502, app=down), part) is None


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
