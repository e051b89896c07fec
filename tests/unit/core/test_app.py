"""What an autoloop.toml may say, and how a wrong one is told."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec, parse_app
from autoloop.core.errors import BadSpec
from autoloop.core.manifest import is_apart

PLAIN: dict[str, Any] = {
    "name": "shop",
    "components": [{"name": "app", "unit": "app.service"}],
    "cases": [{"name": "health", "url": "http://127.0.0.1/"}],
}


def parts(*rows: tuple[str, list[str]]) -> list[dict[str, Any]]:
    """Components with what they need."""
    return [{"name": name, "unit": f"{name}.service", "needs": needs} for name, needs in rows]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Shop"}, "name: "),
        ({"name": "x" * 65}, "name: "),
        ({"name": "my_shop"}, "name: String should match pattern '^[a-z][a-z0-9-]*$'"),
        ({"nmae": "x"}, "nmae: "),
        ({"components": []}, "components: "),
        ({"cases": []}, "cases: "),
        ({"components": parts(("a", ["b"]))}, "needs 'b', which is not one"),
        ({"components": parts(("a", []), ("a", []))}, "share a name"),
        ({"components": [{"name": "a", "unit": "u", "port": 70000}]}, "components.0.port: "),
        ({"components": [{"name": "a", "unit": "u", "manager": "cron"}]}, "manager: "),
        ({"components": [{"name": "a", "unit": "u", "reloads": ["/etc/a"]}]}, "not in config"),
        ({"code": {"path": "relative/path"}}, "absolute"),
        ({"code": {"path": "/srv"}}, "too near the root"),
        ({"code": {"path": "/srv/"}}, "absolute path"),
        ({"code": {"path": "/srv/app/.."}}, "absolute path"),
        ({"code": {"path": "/srv/./app"}}, "absolute path"),
        ({"code": {"path": "/srv//app"}}, "absolute path"),
        ({"code": {"path": "/srv/app", "runs": ["nix"]}}, "not a component"),
        ({"data": {"sqlite": ["../shop.db"]}}, "absolute path"),
        ({"limits": {"risk": "extreme"}}, "limits.risk: "),
        ({"health": {"confirm": 0}}, "health.confirm: "),
        ({"host": {"port": "ssh"}}, "host.port: "),
        ({"space": [{"glob": "/srv/*", "what": "x"}]}, "two folders before"),
        ({"space": [{"glob": "/srv/shop/../../etc/*", "what": "x"}]}, "absolute"),
        ({"space": [{"glob": "/srv/shop/**", "what": "x"}]}, "no **"),
        ({"space": [{"glob": "old/*.gz", "what": "x"}]}, "absolute"),
    ],
)
def test_a_wrong_file_is_told_with_its_place_and_key(change: dict[str, Any], said: str) -> None:
    """The first wrong key, its value, and what to do."""
    with pytest.raises(BadSpec) as caught:
        parse_app({**PLAIN, **change}, "autoloop.toml")
    assert str(caught.value).startswith("autoloop.toml: ")
    assert said in str(caught.value)
    assert str(caught.value).endswith(" - correct that line")


def test_an_error_shows_no_secret_of_the_file() -> None:
    """A mistake elsewhere does not put the password of a case on the screen."""
    case = {"name": "a", "url": "http://x/", "headers": {"Authorization": "hunter2"}}
    for change in ({"cases": [case], "code": {"path": "/srv"}}, {"cases": [{**case, "nix": 1}]}):
        with pytest.raises(BadSpec) as caught:
            parse_app({**PLAIN, **change}, "f")
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("document", [{}, {"name": 5}, {"components": "x"}, {"cases": [5]}])
def test_anything_else_is_a_bad_spec_too(document: dict[str, Any]) -> None:
    """No document makes another exception."""
    with pytest.raises(BadSpec):
        parse_app(document, "f")


@pytest.mark.parametrize(
    ("rows", "order"),
    [
        ([("front", ["app"]), ("app", ["db"]), ("db", [])], ["db", "app", "front"]),
        ([("a", []), ("b", [])], ["a", "b"]),
        ([("a", ["b"]), ("b", ["a"])], ["b", "a"]),
        ([("a", ["a"])], ["a"]),
    ],
)
def test_what_is_needed_comes_before_who_needs_it(rows: Any, order: list[str]) -> None:
    """Circles end."""
    spec = parse_app({**PLAIN, "components": parts(*rows)}, "f")
    assert [part.name for part in spec.deepest_first()] == order


def test_watched_paths_are_listed_once_and_configuration_outside_the_code(spec: AppSpec) -> None:
    """A settings file inside the code tree travels with the tree."""
    assert spec.watched() == (
        "/srv/shop/app",
        "/etc/front.conf",
        "/etc/systemd/system/app.service",
        "/etc/shop.env",
        "/srv/shop/shop.db",
    )
    inside = parse_app(
        {
            **PLAIN,
            "code": {"path": "/srv/shop/app"},
            "components": [
                {
                    "name": "app",
                    "unit": "u",
                    "settings": "/srv/shop/app/.env",
                    "config": ["/etc/a", "/etc/a"],
                }
            ],
        },
        "f",
    )
    assert inside.config_files() == ("/etc/a",)


def test_an_unknown_component_is_named(spec: AppSpec) -> None:
    """And where to look."""
    with pytest.raises(BadSpec, match="no component 'nix'"):
        spec.component("nix")


def test_only_what_runs_the_changed_files_is_affected(spec: AppSpec) -> None:
    """A front's file does not restart the app; code restarts all, unless it is said who runs it."""
    names = [part.name for part in spec.affected(["/etc/front.conf"])]
    assert names == ["front"]
    assert [part.name for part in spec.affected(["/srv/shop/app/x.py"])] == ["app", "front"]
    assert spec.affected(["/elsewhere"]) == ()


def test_databases_and_logs_in_the_code_tree_are_no_code() -> None:
    """With what stands beside them, and rotated; names are taken as they are."""
    part = {"name": "app", "unit": "u", "logs": ["/srv/app/log/x.log"], "access_logs": ["/var/l"]}
    code = {"path": "/srv/app", "exclude": [".git"]}
    data = {"sqlite": ["/srv/app/a[1].db", "/srv/data/b.db"]}
    spec = parse_app({**PLAIN, "components": [part], "code": code, "data": data}, "x")
    ends = ("", "-journal", "-wal", "-shm")
    assert spec.not_code() == (".git", *(f"a[[]1].db{end}" for end in ends), "log/x.log*")
    assert parse_app(PLAIN, "x").not_code() == ()
    names = ["a[1].db-wal", "a1.db", "log", "log/x.log.2.gz", "log/y.log", ".git/x", "lo"]
    apart = [name for name in names if is_apart(spec, f"/srv/app/{name}")]
    assert apart == ["a[1].db-wal", "log", "log/x.log.2.gz", ".git/x"]
    assert not is_apart(spec, "/srv/data/b.db")
