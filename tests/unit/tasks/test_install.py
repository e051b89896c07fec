"""A first deployment: what is planned, and what is refused before anything is changed."""

from pathlib import Path
from typing import Any

import pytest

from autoloop.core.app import AppSpec, parse_app
from autoloop.core.errors import BadRequest, BadSpec, HostNotReady
from autoloop.core.target import Answer, Read
from autoloop.core.work import Work
from tasks import install

WORK = Work(id="n-1", app="shop")
ABSENT = {"kind": "absent", "sha256": "", "mode": 0, "uid": 0, "gid": 0, "link": ""}
INSTALL = {
    "user": "shop",
    "folders": ["/srv/shop/data"],
    "files": [
        {
            "path": "/etc/systemd/system/app.service",
            "content": "[Service]\nExecStart=/srv/shop/venv/bin/run app\nExecStop=-/bin/end x\n",
        },
        {"path": "/etc/front.conf", "content": "site"},
        {"path": "/etc/front/sites/shop", "link": "/etc/front.conf"},
        {"path": "/etc/front/sites/default", "absent": True},
    ],
    "enable": ["app.service"],
    "requires": ["SECRET"],
}
THERE = {"/srv", "/etc", "/etc/systemd", "/etc/systemd/system", "/etc/front", "/etc/front/sites"}
NOT_FOUND = "LoadState=not-found\nActiveState=inactive\n"
RUNS = "LoadState=loaded\nActiveState=active\nFragmentPath=/lib/front.service\n"
VENV = "import ensurepip, venv"
OURS = {"unit": "front.service", "command": "front"}


class EmptyHost:
    """A host with some folders, a default site, a front that runs, and no account."""

    def __init__(self) -> None:
        self.there = {path: {**ABSENT, "kind": "dir", "mode": 0o755} for path in THERE}
        self.there["/etc/front/sites/default"] = {**ABSENT, "kind": "link", "link": "../default"}
        self.units = {"front.service": RUNS, "app.service": NOT_FOUND}
        self.listeners = [{"port": 80, "owner": OURS}]
        self.known: set[str] = set()  # accounts and groups, as "passwd NAME"
        self.lacks: set[str] = set()
        self.laid = ""  # the settings file that a person has laid there

    def observe(self, reads: list[Read], _deadline_s: float = 20) -> tuple[Answer, ...]:
        """Everything that a plan asks for."""
        return tuple(self.answer(read) for read in reads)

    def answer(self, read: Read) -> Answer:
        """One of them."""
        if read.op == "listeners":
            return Answer(ok=True, value=self.listeners)
        if read.op == "file":
            return Answer(ok=bool(self.laid), value={"text": self.laid}, error="no such file")
        if read.op == "stat":
            return Answer(ok=True, value=self.there.get(read.args["path"], ABSENT))
        argv = read.args["argv"]
        code, out = 0, ""
        if argv[0] == "getent":
            code = 0 if " ".join(argv[1:]) in self.known else 2
        elif argv[0] == "systemctl":
            out = self.units[argv[-1]]
        elif argv[-1] in self.lacks:
            code = 127
        return Answer(ok=True, value={"code": code, "out": out, "err": "", "timed_out": False})


@pytest.fixture
def host() -> EmptyHost:
    """The host of these tests."""
    return EmptyHost()


@pytest.fixture
def planned(spec: AppSpec, host: EmptyHost, monkeypatch: Any, tmp_path: Path) -> Any:
    """Plan the shop for the host."""
    (tmp_path / "app.py").write_text("x")
    (tmp_path / "requirements.txt").write_text("flask")
    given = {"file": "SECRET=hunter2\n"}
    monkeypatch.setattr(install, "session_of", lambda _: host)
    monkeypatch.setattr(install, "wished", lambda _: given)

    def plan(section: Any = INSTALL, settings: str = "SECRET=hunter2\n", **more: Any) -> Any:
        given["file"] = settings
        data = {"sqlite": ["/srv/shop/data/shop.db"]}
        document = spec.model_dump(mode="json") | {"install": section, "data": data} | more
        known = parse_app(document, "shop.toml")
        monkeypatch.setattr(install, "spec_of", lambda _: known)
        block = "wish" if settings else ""
        return install.plan_install.fn.__wrapped__(WORK, str(tmp_path), block)

    return plan


def test_everything_is_planned_and_nothing_secret_is_in_it(planned: Any) -> None:
    """Missing folders above are root's; those that are there stay as they are."""
    plan = planned()
    made = {change.path: change.after for change in plan.changes}
    assert set(made) == {
        "/srv/shop", "/srv/shop/app", "/srv/shop/app/app.py", "/srv/shop/app/requirements.txt",
        "/srv/shop/data", "/srv/shop/venv", "/etc/shop.env", "/etc/systemd/system/app.service",
        "/etc/front.conf", "/etc/front/sites/shop", "/etc/front/sites/default",
    }  # fmt: skip
    assert made["/etc/front/sites/default"].kind == "absent"
    assert made["/etc/front/sites/shop"].link == "/etc/front.conf"
    assert (oct(made["/etc/shop.env"].mode), made["/etc/shop.env"].uid) == ("0o640", 0)
    owners = {path: state.uid for path, state in made.items() if path.startswith("/srv/shop")}
    assert owners.pop("/srv/shop") == 0
    assert set(owners.values()) == {install.ACCOUNT}
    programs = [argv[0] for argv in plan.commands]
    assert programs == ["useradd", "runuser", "shop", "systemctl", "systemctl"]
    assert "hunter2" not in plan.model_dump_json()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"known": {"passwd shop"}}, "account shop is there already"),
        ({"known": {"group shop"}}, "group shop is there already"),
        ({"units": {"front.service": RUNS, "app.service": RUNS}}, "unit app.service is there"),
        ({"units": {"front.service": NOT_FOUND, "app.service": NOT_FOUND}}, "front.service, which"),
        (
            {"units": {"front.service": RUNS.replace("=active", "=failed"),
                       "app.service": NOT_FOUND}},
            "front.service does not run (failed)",
        ),
        ({"listeners": [{"port": 8080, "owner": {"unit": "other.service"}}]},
         "port 8080 of app is taken by other.service"),
        ({"listeners": [{"port": 80, "owner": {"command": "nc -l 80"}}]},
         "port 80 of front is taken by nc -l 80"),
        ({"lacks": {VENV}}, "python3 cannot make a virtual environment"),
        ({"lacks": {"shop"}}, "there is no program shop"),
        ({"lacks": {"/bin/end"}}, "there is no program /bin/end"),
    ],
)  # fmt: skip
def test_what_belongs_to_others_or_is_missing_is_named(
    planned: Any, host: EmptyHost, change: dict[str, Any], said: str
) -> None:
    """Before anything is changed."""
    vars(host).update(change)
    with pytest.raises(HostNotReady) as caught:
        planned()
    assert said in str(caught.value)
    assert "nothing was changed" in str(caught.value)


@pytest.mark.parametrize(
    "path",
    ["/srv/shop/app", "/srv/shop/data", "/srv/shop/venv", "/etc/shop.env",
     "/etc/systemd/system/app.service", "/etc/front/sites/shop"],
)  # fmt: skip
def test_a_place_that_is_taken_is_refused(planned: Any, host: EmptyHost, path: str) -> None:
    """Even by an empty folder: it is somebody's."""
    host.there[path] = {**ABSENT, "kind": "dir", "mode": 0o755}
    with pytest.raises(HostNotReady, match=f"{path} is there already"):
        planned()


def test_all_that_is_in_the_way_is_said_at_once(planned: Any, host: EmptyHost) -> None:
    """Nobody comes back for each of them."""
    host.known = {"passwd shop", "group shop"}
    host.lacks = {VENV}
    with pytest.raises(HostNotReady, match=r"account shop .*; group shop .*; python3 cannot"):
        planned()


@pytest.mark.parametrize("settings", ["", "SECRET=\n", "OTHER=1\n"])
def test_a_setting_that_only_a_person_can_give_is_named(planned: Any, settings: str) -> None:
    """And the file that must have it."""
    with pytest.raises(BadRequest, match=r"/etc/shop\.env lacks: SECRET has no value - only a per"):
        planned(settings=settings)


def test_a_value_that_is_expected_of_the_settings_is_held_against_them(planned: Any) -> None:
    """As a deployment does; secrets are not told."""
    expect = {"file": "/etc/shop.env", "key": "SECRET", "value": "swordfish"}
    with pytest.raises(BadRequest, match=r"SECRET is .*, must be") as caught:
        planned(deploy={"expect": [expect]})
    assert "hunter2" not in str(caught.value)


def test_settings_may_lie_on_the_host_already(planned: Any, host: EmptyHost) -> None:
    """A person has laid them there; they stay as they are, and stay when all else goes."""
    host.laid, host.there["/etc/shop.env"] = "SECRET=x\n", {**ABSENT, "kind": "file"}
    assert "/etc/shop.env" not in {change.path for change in planned(settings="").changes}


def test_settings_never_come_as_code(planned: Any, tmp_path: Path) -> None:
    """Everybody on the host could read them there."""
    (tmp_path / "my.env").write_text("SECRET=hunter2\n")
    with pytest.raises(BadRequest, match=r"'my\.env' of the source is that file"):
        planned()


def test_a_source_without_its_manifest_is_refused(planned: Any, tmp_path: Path) -> None:
    """The wrong folder was named."""
    (tmp_path / "requirements.txt").unlink(missing_ok=True)
    with pytest.raises(BadRequest, match=r"has no packages\.txt"):
        planned(deploy={"manifest": "packages.txt", "install": ["x"], "environment": "/srv/e"})


def test_a_broken_rule_is_in_the_plan(planned: Any) -> None:
    """A first deployment is held to the rules of all others."""
    rule = {"path": "app.py", "contains": ["create_app"]}
    plan = planned(deploy={"rules": [rule]})
    assert plan.comparison.broken


def test_without_a_declaration_nothing_is_guessed(planned: Any) -> None:
    """The file says what belongs to a first deployment."""
    with pytest.raises(BadSpec, match=r"add \[install\]"):
        planned(None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"user": "root"}, "not root"),
        ({"user": "a b"}, "install.user"),
        ({"folders": ["/srv/shop/data", "logs"]}, "not an absolute path"),
        ({"files": [{"path": "/etc/../x"}], "enable": []}, "not an absolute path"),
        ({"files": [{"path": "/etc/x", "mode": "9"}]}, "mode"),
        ({"files": [{"path": "/etc/x"}, {"path": "/etc/x"}]}, "named twice"),
        ({"files": [{"path": "/srv/shop/app/x"}], "enable": []}, "is code"),
        ({"enable": ["front.service"]}, "no file of install.files is the unit 'front.service'"),
        ({"folders": []}, "must lie below code.path or one of install.folders"),
    ],
)
def test_what_could_not_be_meant_is_refused(
    spec: AppSpec, change: dict[str, Any], said: str
) -> None:
    """When the file is read."""
    data = {"sqlite": ["/srv/shop/data/shop.db"]}
    document = spec.model_dump(mode="json") | {"install": {**INSTALL, **change}, "data": data}
    with pytest.raises(BadSpec) as caught:
        parse_app(document, "shop.toml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "brought"),
    [("app.service", True), ("app", True), ("app@1.service", False), ("front.service", False)],
)
def test_a_unit_is_known_by_its_file(spec: AppSpec, unit: str, brought: bool) -> None:
    """What nobody else can use is stopped when it is taken away; nothing else is."""
    document = spec.model_dump(mode="json") | {
        "install": INSTALL,
        "data": {"sqlite": ["/srv/shop/data/shop.db"]},
    }
    known = parse_app(document, "shop.toml").install
    assert known is not None
    assert known.brings(unit) is brought
