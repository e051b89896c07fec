"""A first deployment: what is made, and what stays as it is."""

from pathlib import Path
from typing import Any

import pytest

from autoloop.core.app import AppSpec, parse_app
from autoloop.core.errors import BadRequest, BadSpec
from autoloop.core.target import Answer, Read
from autoloop.core.work import Work
from tasks import correction, install

WORK = Work(id="n-1", app="shop")
ABSENT = {"kind": "absent", "sha256": "", "mode": 0, "uid": 0, "gid": 0, "link": ""}
INSTALL = {
    "user": "shop",
    "folders": ["/srv/shop/data", "/var/log"],
    "files": [
        {"path": "/etc/systemd/system/app.service", "content": "[Service]\n"},
        {"path": "/etc/front/sites/shop", "link": "/etc/front/shop"},
        {"path": "/etc/front/sites/default", "absent": True},
    ],
    "enable": ["app.service"],
}
THERE = {"/srv", "/etc", "/etc/systemd", "/etc/systemd/system", "/etc/front", "/etc/front/sites"}


class EmptyHost:
    """A host with these folders, a default site, and no account."""

    def __init__(self, *more: str) -> None:
        self.there = THERE | {"/var", "/var/log", *more}

    def observe(self, reads: list[Read], _deadline_s: float = 20) -> tuple[Answer, ...]:
        """Stats and programs."""
        return tuple(Answer(ok=True, value=self.answer(read)) for read in reads)

    def answer(self, read: Read) -> dict[str, Any]:
        """One of them."""
        if read.op == "run":
            return {"code": 1, "out": "", "err": "no such user", "timed_out": False}
        path = read.args["path"]
        if path == "/etc/front/sites/default":
            return {**ABSENT, "kind": "link", "link": "../default"}
        return {**ABSENT, "kind": "dir", "mode": 0o755} if path in self.there else ABSENT


@pytest.fixture
def planned(spec: AppSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Plan the shop for a host."""
    (tmp_path / "app.py").write_text("x")

    def plan(host: Any, section: dict[str, Any] | None = INSTALL, settings: str = "wish") -> Any:
        document = spec.model_dump(mode="json") | {"install": section}
        known = parse_app(document, "shop.toml")
        for module in (install, correction):
            monkeypatch.setattr(module, "spec_of", lambda _: known)
            monkeypatch.setattr(module, "session_of", lambda _: host)
        monkeypatch.setattr(install, "wished", lambda _: {"file": "SECRET=hunter2\n"})
        return install.plan_install.fn.__wrapped__(WORK, str(tmp_path), settings)

    return plan


def test_everything_is_planned_and_nothing_secret_is_in_it(planned: Any) -> None:
    """Missing folders above are root's; those that are there stay as they are."""
    plan = planned(EmptyHost())
    made = {change.path: change.after for change in plan.changes}
    assert set(made) == {
        "/srv/shop", "/srv/shop/app", "/srv/shop/app/app.py", "/srv/shop/data",
        "/etc/shop.env", "/etc/systemd/system/app.service", "/etc/front/sites/shop",
        "/etc/front/sites/default",
    }  # fmt: skip
    assert made["/etc/front/sites/default"].kind == "absent"
    assert made["/etc/front/sites/shop"].link == "/etc/front/shop"
    assert oct(made["/etc/shop.env"].mode) == "0o640"
    assert plan.new_user and plan.commands[0][0] == "useradd"
    assert "hunter2" not in plan.model_dump_json()


def test_an_application_that_is_there_is_refused(planned: Any) -> None:
    """It is taken into care instead."""
    with pytest.raises(BadRequest, match="is there already - autoloop register"):
        planned(EmptyHost("/srv/shop/app"))


def test_without_a_declaration_nothing_is_guessed(planned: Any) -> None:
    """The file says what belongs to a first deployment."""
    with pytest.raises(BadSpec, match=r"add \[install\]"):
        planned(EmptyHost(), None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"user": "root"}, "not root"),
        ({"user": "a b"}, "install.user"),
        ({"folders": ["data"]}, "not an absolute path"),
        ({"files": [{"path": "/etc/../x"}]}, "not an absolute path"),
        ({"files": [{"path": "/etc/x", "mode": "9"}]}, "mode"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    spec: AppSpec, change: dict[str, Any], said: str
) -> None:
    """When the file is read."""
    document = spec.model_dump(mode="json") | {"install": {**INSTALL, **change}}
    with pytest.raises(BadSpec) as caught:
        parse_app(document, "shop.toml")
    assert said in str(caught.value)
