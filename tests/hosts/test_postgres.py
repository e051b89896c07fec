"""Hosts on which the managed app runs on PostgreSQL, and what the judge sees of its rows."""

import os
from collections.abc import Iterator

import pytest

from autoloop.arena.cluster import cluster
from autoloop.arena.disk import Disk
from autoloop.arena.harm import differences
from autoloop.arena.hosts import Host, up
from autoloop.arena.image import build
from autoloop.arena.state import State, aligned, take

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

WELL = "curl -fsS --retry 40 --retry-all-errors --retry-delay 1 -o /dev/null 127.0.0.1/api/health"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host whose application is well, and which has nothing left to start."""
    with up(f"pg{os.getpid()}", build("postgres")) as made:
        assert made.inside(WELL).ok
        assert made.inside("systemctl is-system-running --wait").stdout.strip() == "running"
        yield made


def sql(host: Host, query: str) -> None:
    """Run it as the cluster's superuser."""
    done = host.inside(f"""
cd /
setpriv --reuid=postgres --regid=postgres --init-groups \
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=lingzhi <<'END'
{query}
END
""")
    assert done.ok, done.words


def changed(host: Host, before: State) -> set[tuple[str, str]]:
    """What is different since *before*, noise left out."""
    facts = aligned([before, take(host)], Disk(host.disk, host.layers))
    return {(one.kind, one.subject) for one in differences(facts[0], *facts)}


def test_a_host_at_work_is_the_same_host(host: Host) -> None:
    """Its cluster writes its own files, and the app asks it: nothing of that is a difference."""
    before = take(host)
    assert host.inside(WELL).ok
    sql(host, "checkpoint; select pg_switch_wal();")
    assert changed(host, before) == set()


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("update users set role = 'admin' where username = 'bo';", ("rows", "users")),
        ("create index slow on messages (content);", ("schema", "slow")),
        ("grant select on users to public;", ("schema", "users")),
        ("alter role lingzhi createdb;", ("user", "database role lingzhi")),
        ("alter role lingzhi password 'another';", ("user", "database role lingzhi")),
        ("grant connect on database lingzhi to public;", ("setting", "database lingzhi")),
        ("alter system set log_statement = 'all';",
         ("file", "/var/lib/postgresql/15/main/postgresql.auto.conf")),
    ],
)  # fmt: skip
def test_what_a_repair_could_do_wrong_is_seen(
    host: Host, query: str, expected: tuple[str, str]
) -> None:
    """Rows, definitions, rights, roles and settings."""
    before = take(host)
    sql(host, query)
    assert expected in changed(host, before)


def test_a_role_made_again_with_its_password_is_the_same(host: Host) -> None:
    """Another salt is no difference: whoever knew the password comes in."""
    role = "user", "database role lingzhi"
    sql(host, "alter role lingzhi nocreatedb; alter role lingzhi password 'one';")
    other = cluster(host)[role]
    for _ in "ab":
        sql(host, "alter role lingzhi password 'throwaway-role-5e0c91d7a2';")
        assert cluster(host)[role].endswith("the password of the image")
    assert other != cluster(host)[role]


def test_a_cluster_that_is_stopped_is_told_as_such(host: Host) -> None:
    """It is a fact as others are, and no error of the judge."""
    assert host.inside("systemctl stop postgresql@15-main").ok
    assert cluster(host) == {("schema", "(cluster)"): "does not answer"}
