"""How a component is made to read files that were put back."""

from typing import Any

import pytest

from autoloop.core.putting_back import read_anew

CONF, HBA = "/etc/db/main.conf", "/etc/db/hba.conf"


@pytest.mark.parametrize(
    ("activity", "paths", "verb"),
    [
        ("running", [HBA], "reload"),
        ("running", [HBA, CONF], "restart"),
        ("running", [CONF], "restart"),
        ("failed", [HBA], "restart"),
    ],
)
def test_a_reload_must_be_enough(scenes: Any, activity: str, paths: list[str], verb: str) -> None:
    """For every file, and only what runs can be reloaded."""
    update = {"config": (CONF, HBA), "reloads": (HBA,)}
    part = scenes.spec.component("app").model_copy(update=update)
    actions = read_anew(part, scenes.facts(app={"activity": activity}), paths)
    assert actions[-1].action.argv == ("systemctl", verb, "app.service")


def test_what_cannot_be_reloaded_is_restarted(scenes: Any) -> None:
    """supervisord knows no reload of a program."""
    update = {"manager": "supervisord", "config": (HBA,), "reloads": (HBA,)}
    part = scenes.spec.component("app").model_copy(update=update)
    (action,) = read_anew(part, scenes.facts(), [HBA])
    assert action.action.argv == ("supervisorctl", "restart", "app.service")
