"""Which declared effect covers which change."""

from typing import Any

import pytest

from autoloop.arena.covering import Change, Covering, effects, in_app
from autoloop.arena.errors import JudgeFailed

OLD, NEW = "a" * 64, "b" * 64
SITE = "/etc/nginx/sites-available/lingzhi"
ENV = "/etc/lingzhi/lingzhi.env"
SITE_PACKAGES = "/srv/lingzhi/venv/lib/python3.11/site-packages"


def covers(effect: dict[str, Any], change: Change) -> bool:
    """Whether the one effect covers the change; every package holds `requests.py` only."""
    return Covering(effects([effect]), lambda _n, _e: {f"{SITE_PACKAGES}/requests.py"}).covers(
        change
    )


def effect(kind: str, subject: str, after: str | None = None, **detail: Any) -> dict[str, Any]:
    """An effect as a product hands it in."""
    return {"kind": kind, "subject": subject, "before": None, "after": after, "detail": detail}


def file(
    path: str, before: str | None = f"sha256:{OLD}", after: str | None = f"sha256:{NEW}"
) -> Change:
    """A change of a file's content."""
    return Change("file", path, before, after)


COVERED = [
    (effect("file", SITE, NEW), file(SITE)),
    (effect("file", SITE, f"sha256:{NEW}"), file(SITE)),
    (effect("file", SITE, "corrected"), file(SITE)),
    (effect("file", SITE, after="any"), file(SITE)),
    (effect("file", SITE), file(SITE, after=None)),
    (effect("file", "/var/backups/a/b.tar", NEW), file("/var/backups/a", None, "directory")),
    (
        effect("file", SITE, NEW, mode="0600", owner="root:root"),
        Change("permission", SITE, "0644 root:root", "0600 root:root"),
    ),
    (effect("tree", "/srv/lingzhi/app"), file("/srv/lingzhi/app/routes/auth.py")),
    (
        effect("tree", "/srv/lingzhi/app/"),
        Change("permission", "/srv/lingzhi/app/app.py", "0644 a:a", "0755 a:a"),
    ),
    (effect("package", "requests", "2.0"), file(f"{SITE_PACKAGES}/requests.py")),
    (effect("package", "/srv/lingzhi/venv", "id"), file(f"{SITE_PACKAGES}/idna.py")),
    (
        effect("unit", "lingzhi.service", "active"),
        Change("unit", "lingzhi.service", "down, enabled", "active, enabled"),
    ),
    (
        effect("unit", "lingzhi", "inactive"),
        Change("unit", "lingzhi.service", "active, enabled", "down, enabled"),
    ),
    (
        effect("unit", "nginx", "disabled"),
        file("/etc/systemd/system/multi-user.target.wants/nginx.service", "-> /lib/x", None),
    ),
    (
        effect("process", "python3"),
        Change("process", "python3 -m http.server", "root in a session", None),
    ),
    (
        effect("listener", "8080", "gunicorn"),
        Change(
            "listener", "127.0.0.1:8080/tcp", "nobody", "gunicorn of lingzhi in lingzhi.service"
        ),
    ),
    (effect("listener", "8080"), Change("listener", "127.0.0.1:8080/tcp", "python3 of root", None)),
    (effect("rows", "users", "1 more", count="1"), Change("rows", "users", "7 rows x", "8 rows y")),
    (effect("schema", "users", "x"), Change("schema", "users", "table x", "table y")),
    (
        effect("schema", "0003", "done", migration="0003"),
        Change("rows", "alembic_version", "1 rows x", "1 rows y"),
    ),
    (
        effect("setting", f"{ENV}#DATABASE_URL", "…"),
        Change("setting", f"{ENV}#DATABASE_URL", None, "sha256:1"),
    ),
    (
        effect("setting", "DATABASE_URL", "…"),
        Change("setting", f"{ENV}#DATABASE_URL", None, "sha256:1"),
    ),
    (effect("setting", f"{ENV}#DATABASE_URL", "…"), file(ENV)),
    (effect("file", ENV, NEW), Change("setting", f"{ENV}#DATABASE_URL", None, "sha256:1")),
    (
        effect("permission", ENV, "640 root:lingzhi"),
        Change("permission", ENV, "0600 root:root", "0640 root:lingzhi"),
    ),
    (
        effect("permission", ENV, "0640"),
        Change("permission", ENV, "0600 root:root", "0640 root:lingzhi"),
    ),
    (effect("user", "deploy", "new"), Change("user", "group deploy", None, "1000:")),
]

NOT_COVERED = [
    (effect("file", SITE, OLD), file(SITE)),
    (effect("file", SITE), file(SITE)),
    (effect("file", SITE, NEW), file(SITE, after=None)),
    (effect("file", "/etc/nginx", "any words"), file(SITE)),
    (effect("file", SITE, NEW), Change("permission", SITE, "0644 root:root", "0666 root:root")),
    (
        effect("file", SITE, NEW, mode="0600"),
        Change("permission", SITE, "0644 root:root", "0666 root:root"),
    ),
    (effect("tree", "/etc"), file(SITE)),
    (effect("tree", "/srv/lingzhi/../.."), file(SITE)),
    (effect("tree", "/srv/lingzhi/app"), file("/srv/lingzhi/application.py")),
    (effect("tree", "/srv/lingzhi/data"), Change("rows", "users", "7 rows x", "0 rows y")),
    (effect("package", "requests", environment="/usr"), file("/usr/lib/python3/x.py")),
    (effect("package", "requests", "2.0"), file(f"{SITE_PACKAGES}/flask/app.py")),
    (
        effect("unit", "lingzhi", "active"),
        Change("unit", "lingzhi.service", "active, enabled", "down, enabled"),
    ),
    (
        effect("unit", "lingzhi", "active"),
        Change("unit", "pricefeed.service", "active, enabled", "down, enabled"),
    ),
    (effect("unit", "lingzhi", "active"), file("/etc/systemd/system/lingzhi.service")),
    (
        effect("process", "python3"),
        Change("process", "python3 /opt/stub.py", None, "root in a session"),
    ),
    (
        effect("listener", "8080", "gunicorn"),
        Change("listener", "127.0.0.1:8080/tcp", "gunicorn of lingzhi", "python3 of root"),
    ),
    (
        effect("listener", "80"),
        Change("listener", "127.0.0.1:8080/tcp", "gunicorn of lingzhi", None),
    ),
    (effect("rows", "users", "1 more", count="1"), Change("rows", "users", "7 rows x", "9 rows y")),
    (effect("rows", "users", "1 more", count=1), Change("rows", "users", "7 rows x", None)),
    (
        effect("setting", f"{ENV}#DATABASE_URL", "…"),
        Change("setting", f"{ENV}#SECRET_KEY", "sha256:1", "sha256:2"),
    ),
    (
        effect("file", ENV, "a line more"),
        Change("setting", f"{ENV}#SECRET_KEY", "sha256:1", "sha256:2"),
    ),
    (
        effect("permission", ENV, "0644"),
        Change("permission", ENV, "0640 root:lingzhi", "0666 root:lingzhi"),
    ),
    (effect("external", "webhook", "called"), file(SITE)),
]


@pytest.mark.parametrize(("declared", "change"), COVERED, ids=lambda one: str(one)[:60])
def test_what_was_declared_is_covered(declared: dict[str, Any], change: Change) -> None:
    """The change is the one that the plan announced."""
    assert covers(declared, change)


@pytest.mark.parametrize(("declared", "change"), NOT_COVERED, ids=lambda one: str(one)[:60])
def test_what_differs_from_the_plan_is_not(declared: dict[str, Any], change: Change) -> None:
    """Another path, end, value, number or direction is harm."""
    assert not covers(declared, change)


@pytest.mark.parametrize("given", [{"kind": "magic", "subject": "x"}, {"kind": "file"}, "file", 3])
def test_what_is_no_effect_is_refused(given: Any) -> None:
    """A plan in other words cannot excuse anything."""
    with pytest.raises(JudgeFailed, match="effects"):
        effects([given])


@pytest.mark.parametrize(
    ("path", "inside"),
    [("/srv/lingzhi", True), ("/srv/lingzhi/app", True), ("/srv/lingzhi2", False), ("/srv", False)],
)
def test_the_app_ends_at_its_folder(path: str, inside: bool) -> None:
    """A folder whose name begins alike is another one."""
    assert in_app(path) is inside
