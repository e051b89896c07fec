"""Deployments: what is counted, and which state one goes back to."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec, parse_app
from autoloop.core.deployment import (
    Comparison,
    approval_for,
    asked_for,
    changes_back,
    extras_of,
    packages_changed,
    plan_text,
    refuse_broken,
    states_before,
)
from autoloop.core.errors import BadRequest, BadSpec, NotAllowed, RuleBroken
from autoloop.core.target import FileChange, FileState

FILE = FileState(kind="file", sha256="a" * 64)
OTHER = FileState(kind="file", sha256="b" * 64)
NONE = FileState()


def test_files_are_counted_by_what_becomes_of_them() -> None:
    """New, modified, deleted."""
    pairs = [(NONE, FILE), (FILE, OTHER), (FILE, OTHER), (OTHER, NONE)]
    changes = tuple(FileChange(path=str(n), before=b, after=a) for n, (b, a) in enumerate(pairs))
    made = Comparison(app="shop", source="/src", release="f" * 64, changes=changes)
    assert [made.count(kind) for kind in ("new", "modified", "deleted")] == [1, 2, 1]
    assert made.paths == ("0", "1", "2", "3")


@pytest.mark.parametrize(("backup", "said"), [("", f"release {'f' * 12}"), ("b", "backup b")])
def test_what_is_put_in_place_has_a_name(backup: str, said: str) -> None:
    """A release by the start of its hash, a backup by its id."""
    release = backup or "f" * 64
    made = Comparison(app="shop", source="x", release=release, changes=(), backup=backup)
    assert made.what == said


def test_states_before_deployments_come_newest_first() -> None:
    """What was saved for another reason is none."""
    rows = [
        {"id": "1", "at": 1, "reason": "d-1: before deploying abc"},
        {"id": "2", "at": 2, "reason": "i-1: CODE.syntax_error"},
        {"id": "3", "at": 3, "reason": "r-1: before going back to 1"},
        {"id": "4", "at": 4, "reason": "d-2: before deploying def"},
    ]
    assert states_before(rows) == ("4", "1")


def row(path: str) -> dict[str, Any]:
    """A path that differs."""
    return {"path": path, "good": FILE.model_dump(), "now": OTHER.model_dump()}


def test_going_back_leaves_configuration_alone_unless_asked(spec: AppSpec) -> None:
    """A person's new setting is not undone with the code."""
    drift = {"changes": [row("/srv/shop/app/x.py"), row("/srv/shop/app"), row("/etc/shop.env")]}
    code = changes_back(spec, drift, with_config=False)
    assert code == (FileChange(path="/srv/shop/app/x.py", before=OTHER, after=FILE),)
    assert len(changes_back(spec, drift, with_config=True)) == 3


def test_going_back_with_the_code_leaves_data_and_logs_in_its_tree(spec: AppSpec) -> None:
    """Also where a backup took them for code, as they were not declared then."""
    inside = "/srv/shop/app/db/shop.db"
    data = spec.data.model_copy(update={"sqlite": (inside,)})
    spec = spec.model_copy(update={"data": data})
    paths = ["/srv/shop/app/x.py", inside, f"{inside}-wal", "/srv/shop/app/db"]
    drift = {"changes": [row(path) for path in paths]}
    for with_config in (False, True):
        found = changes_back(spec, drift, with_config)
        assert [change.path for change in found] == ["/srv/shop/app/x.py"]


DEPLOY = {
    "manifest": "requirements.txt",
    "install": ["pip", "install"],
    "environment": "/srv/shop/venv",
    "migrate": "migrations",
}


def deployable(spec: AppSpec, **more: Any) -> AppSpec:
    """The shop with packages and migrations, a database, and a front that runs no code."""
    document = spec.model_dump(mode="json")
    document["code"]["runs"] = ["app"]
    document |= {"deploy": DEPLOY, "data": {"sqlite": ["/srv/shop/shop.db"]}, **more}
    return parse_app(document, "shop.toml")


def test_packages_follow_their_manifest_and_procedures_the_code(spec: AppSpec) -> None:
    """Each with what is saved first and what stands still meanwhile."""
    manifest = FileChange(path="/srv/shop/app/requirements.txt", before=FILE, after=OTHER)
    packages, data = extras_of(deployable(spec), [manifest])
    assert (packages.kind, packages.argv) == ("packages", ("pip", "install"))
    assert (packages.saved, packages.stands) == (("/srv/shop/venv",), ())
    assert (data.kind, data.name, data.argv) == ("data", "migrations", ("shop", "migrate"))
    assert (data.saved, data.stands) == (("/srv/shop/shop.db",), ("app.service",))


def test_the_same_manifest_needs_no_packages(spec: AppSpec) -> None:
    """Also when only its mode changes; going back runs no migrations."""
    other = FileChange(path="/srv/shop/app/x.py", before=FILE, after=OTHER)
    path = "/srv/shop/app/requirements.txt"
    mode = FileChange(path=path, before=FILE, after=FILE.model_copy(update={"mode": 0o600}))
    assert [e.kind for e in extras_of(deployable(spec), [other, mode])] == ["data"]
    assert extras_of(deployable(spec), [other], with_data=False) == ()
    assert extras_of(spec, [other]) == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"code": None}, "deploy needs code.path"),
        ({"deploy": {"migrate": "nix"}}, "deploy names 'nix', which is no procedure"),
        ({"data": {}}, "could not be taken back: name the database in data.sqlite"),
        ({"deploy": {"manifest": "a.txt"}}, "manifest, install and environment belong together"),
        ({"deploy": {**DEPLOY, "environment": "venv"}}, "'venv' is not an absolute path"),
        ({"deploy": {**DEPLOY, "manifest": "../a.txt"}}, "is relative to code.path"),
    ],
)
def test_what_could_not_be_done_or_undone_is_refused(
    spec: AppSpec, change: dict[str, Any], said: str
) -> None:
    """When the file is read, with the place."""
    with pytest.raises(BadSpec, match=r"shop\.toml") as caught:
        deployable(spec, **change)
    assert said in str(caught.value)


def test_installed_packages_are_read_from_their_folders() -> None:
    """New, gone, another version; other folders are none."""
    site = "/srv/shop/venv/lib/python3.11/site-packages"
    folders = {
        "gone": [f"{site}/flask-3.0.0.dist-info", f"{site}/old-1.dist-info", f"{site}/old"],
        "made": [f"{site}/flask-3.1.0.dist-info", f"{site}/my_new-0.1.dist-info"],
    }
    assert packages_changed(folders) == ("flask 3.0.0 → 3.1.0", "my_new - → 0.1", "old 1 → -")


def planned(spec: AppSpec, risk: str, approve: str, procedure: str = "medium") -> Any:
    """A deployment of the shop in an environment with these limits."""
    document = spec.model_dump(mode="json")
    document["procedures"][0]["risk"] = procedure
    limited = deployable(
        AppSpec.model_validate(document), limits={"risk": risk, "approve": approve}
    )
    manifest = FileChange(path="/srv/shop/app/requirements.txt", before=FILE, after=OTHER)
    extras = extras_of(limited, [manifest])
    return limited, Comparison(
        app="shop", source="/src", release="f" * 64, changes=(manifest,), extras=extras
    )


@pytest.mark.parametrize(
    ("risk", "procedure", "asked"),
    [("medium", "medium", False), ("low", "medium", True), ("medium", "high", True)],
)
def test_what_is_riskier_than_the_environment_allows_waits(
    spec: AppSpec, risk: str, procedure: str, asked: bool
) -> None:
    """A deployment is of medium risk, or as risky as the procedures it runs."""
    why = approval_for(*planned(spec, risk, "high", procedure))
    assert (why is not None) is asked
    assert why is None or ("production" in why.en and "production" in why.zh)


def test_what_nobody_may_approve_is_refused(spec: AppSpec) -> None:
    """With the place where that is said."""
    with pytest.raises(NotAllowed, match=r"limits\.approve"):
        approval_for(*planned(spec, "low", "low"))


def test_nothing_needs_no_approval(spec: AppSpec) -> None:
    """The same tree again."""
    same = Comparison(app="shop", source="/src", release="f" * 64, changes=())
    limited, _ = planned(spec, "none", "none")
    assert approval_for(limited, same) is None


def test_who_decides_sees_the_whole_plan(spec: AppSpec) -> None:
    """Files, commands, what is saved and what stands still."""
    text = plan_text(planned(spec, "low", "high")[1])
    for part in (
        "requirements.txt",
        "pip install",
        "/srv/shop/venv",
        "shop migrate",
        "app.service",
    ):
        assert part in text


def test_a_broken_rule_begins_nothing(spec: AppSpec) -> None:
    """The first breaches are named, the others counted."""
    _, fine = planned(spec, "low", "high")
    refuse_broken(fine)
    broken = fine.model_copy(update={"broken": tuple(f"{n}.py: is bad" for n in range(7))})
    with pytest.raises(RuleBroken, match=r"0\.py: is bad.* and 2 more"):
        refuse_broken(broken)


def test_a_procedure_is_run_for_a_person_only_if_it_can_be_taken_back(spec: AppSpec) -> None:
    """By the saved database, or by its own undo; each once, in the order asked for."""
    limited = deployable(spec)
    document = limited.model_dump(mode="json")
    clean = document["procedures"][0] | {"name": "clean", "cures": "SERVICE.disk_full"}
    both = clean | {"name": "both", "cures": ["DATABASE.schema_mismatch", "CODE.import_error"]}
    document["procedures"] += [clean, both, clean | {"name": "undone", "undo": ["shop", "undo"]}]
    limited = AppSpec.model_validate(document)
    extras = asked_for(limited, ["undone", "migrations", "undone"])
    assert [(e.name, e.saved) for e in extras] == [
        ("undone", ()),
        ("migrations", ("/srv/shop/shop.db",)),
    ]
    with pytest.raises(BadRequest, match="could not be taken back"):
        asked_for(limited, ["clean"])
    with pytest.raises(BadRequest, match="could not be taken back"):
        asked_for(limited, ["both"])  # packages are not saved with the database
    with pytest.raises(BadSpec, match="no procedure 'nix'"):
        asked_for(limited, ["nix"])
