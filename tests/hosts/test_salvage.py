"""A damaged database on a real host, while whoever works on it is killed."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena.hosts import Host
from autoloop.arena.killing import KillDrill, Victim
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

DATA = "/srv/lingzhi/data/lingzhi_ecosystem.db"
DAMAGE = f"""
systemctl stop lingzhi
page=$(sqlite3 {DATA} "select rootpage from sqlite_master where name = 'users'")
size=$(sqlite3 {DATA} 'pragma page_size')
head -c $size /dev/urandom | dd of={DATA} bs=$size seek=$((page - 1)) conv=notrunc status=none
systemctl start lingzhi
"""
ROWS = f"sqlite3 -readonly {DATA} 'select * from users order by id'"
POINTS = ["choose_remedies.after", "apply_remedy.before", "apply_remedy.after", "settle.after"]


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KillDrill]:
    """A platform of its own, with failpoints."""
    product = Product(tmp_path_factory.mktemp("killed") / "home")
    made = KillDrill(product)
    with product:
        yield made


@pytest.fixture(autouse=True)
def let_go(drill: KillDrill) -> Iterator[None]:
    """Each test has the host for a name of its own."""
    yield
    for name in drill.product.apps():
        drill.product.unregister(name)


@pytest.mark.parametrize("victim", ["flow", "agent"])
def test_a_salvage_ends_well_whoever_is_killed(
    victim: Victim, host: Host, drill: KillDrill
) -> None:
    """The file is the damaged one or the salvaged one, at every moment; all rows are there."""
    name = f"salvage-{victim}"
    drill.product.register(name, host, watch=False, every_s=86400, hold_s=0.5)
    before = host.inside(ROWS).stdout
    assert before.count("\n") == 7
    assert host.inside(DAMAGE).ok
    broken = Path(f"{host.root}{DATA}").read_bytes()

    def side() -> str:
        if Path(f"{host.root}{DATA}").read_bytes() == broken:
            return "before"
        sound = host.inside(f"sqlite3 -readonly {DATA} 'pragma integrity_check'").stdout.strip()
        return "after" if sound == "ok" else "neither"

    ended = drill.play(
        lambda: drill.product.report(name, "database disk image is malformed"),
        POINTS,
        victim,
        host,
        side,
    )
    assert ended.kills == tuple(POINTS), ended
    assert (ended.state, ended.missed) == ("Completed", ())
    assert ended.states == ("before", "before", "after", "after")
    assert [row["state"] for row in drill.product.incidents(name)] == ["closed"]
    assert host.inside(ROWS).stdout == before
    assert host.inside("curl -fsS -o /dev/null 127.0.0.1/api/health").ok
