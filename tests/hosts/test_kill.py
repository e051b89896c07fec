"""Every process in the chain is killed at every boundary; the work ends well, done once."""

import hashlib
import io
import os
import signal
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoloop.arena.hosts import Host
from autoloop.arena.killing import VICTIMS, Counter, KillDrill, Victim, boundaries
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

ENV = "/etc/lingzhi/lingzhi.env"
CODE = "/srv/lingzhi/app"
WELL = "curl -fsS --retry 30 --retry-all-errors --retry-delay 1 -o /dev/null 127.0.0.1/api/health"
REPAIR = (
    "open_incident",
    "diagnose_target",
    "choose_remedies",
    "take_backup",
    "apply_remedy",
    "prove_remedy",
    "settle",
    "end_incident",
    "write_report",
    "tell_people",
)
DEPLOYMENT = ("compare", "take_backup", "place", "prove_deployment", "settle_deployment")


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


def at_each(steps: Sequence[str], victim: Victim, every: bool) -> list[str]:
    """The boundaries for one test: the end of each step, where its work is done and not yet written
    down. If *every* one is asked for, and for the agent, which is soon back, its beginning too."""
    points = boundaries(steps)
    return points if every or victim == "agent" else points[1::2]


def sha256(host: Host, path: str) -> str:
    """Of a file's content on the host."""
    return hashlib.sha256(Path(f"{host.root}{path}").read_bytes()).hexdigest()


def tree(host: Host) -> str:
    """One hash over the application's code on the host."""
    files = f"find {CODE} -name __pycache__ -prune -o -type f -print0"
    listing = host.inside(f"{files} | sort -z | xargs -0 sha256sum").stdout
    return hashlib.sha256(listing.encode()).hexdigest()


def cases(quick: Sequence[Victim]) -> list[Any]:
    """All victims; those that are not *quick* are left to the long matrices, as are both ends of
    every step. Between them the two tests have every victim among the quick ones."""
    slow = pytest.mark.slow
    return [
        *(pytest.param(v, False, id=v, marks=() if v in quick else slow) for v in VICTIMS),
        *(pytest.param(v, True, id=f"{v}-everywhere", marks=slow) for v in VICTIMS if v != "agent"),
    ]


@pytest.mark.parametrize(("victim", "every"), cases(["flow", "node", "agent"]))
def test_a_repair_ends_well_whoever_is_killed(
    victim: Victim, every: bool, host: Host, drill: KillDrill
) -> None:
    """A lost setting is put back, once, under one run id; the file is never anything else."""
    product, points = drill.product, at_each(REPAIR, victim, every)
    name = f"repair-{victim}-{len(points)}"  # a budget of its own for what keeps coming back
    product.register(name, host, watch=False, every_s=86400, hold_s=0.5)
    good = sha256(host, ENV)
    assert host.inside(f"sed -i /^DATABASE_URL=/d {ENV}; systemctl restart lingzhi; sleep 2").ok
    broken = sha256(host, ENV)
    names = {good: "after", broken: "before"}
    with Counter(host, ENV) as counter:
        ended = drill.play(
            lambda: product.report(name, "KeyError: 'DATABASE_URL'"),
            points,
            victim,
            host,
            lambda: names.get(sha256(host, ENV), "neither"),
        )
        calls = counter.calls()
    assert ended.kills == tuple(points), ended
    assert (ended.state, ended.missed) == ("Completed", ())
    assert ended.states == halves(points, "apply_remedy.after")
    incident = product.incidents(name)
    assert [(row["state"], row["flow_run"]) for row in incident] == [("closed", ended.run)]
    assert counter.contents() == {broken, good}
    assert counter.replacements() == 1
    assert calls == ["reset-failed lingzhi.service", "restart lingzhi.service"]
    assert host.inside(WELL).ok


@pytest.mark.parametrize(("victim", "every"), cases(["flow", "server", "agent"]))
def test_a_deployment_ends_well_whoever_is_killed(
    victim: Victim, every: bool, host: Host, drill: KillDrill, tmp_path: Path
) -> None:
    """New code is brought in place, once, under one run id; never half of it."""
    product, points = drill.product, at_each(DEPLOYMENT, victim, every)
    name = f"deploy-{victim}-{len(points)}"
    product.register(name, host, watch=False, every_s=86400, hold_s=0.5)
    source = release(host, tmp_path / "source", name)
    old = tree(host)
    with Counter(host, f"{CODE}/settings.py") as counter:
        ended = drill.play(
            lambda: product.run("deploy", app=name, source=str(source)),
            points,
            victim,
            host,
            lambda: "before" if tree(host) == old else "after",
        )
        calls = counter.calls()
    assert ended.kills == tuple(points), ended
    assert (ended.state, ended.missed) == ("Completed", ())
    assert ended.states == halves(points, "place.after")
    assert counter.replacements() == 1
    assert len(counter.contents()) == 2
    assert calls == ["reset-failed lingzhi.service", "restart lingzhi.service"]
    for path in source.rglob("*"):
        if path.is_file():
            there = Path(f"{host.root}{CODE}", path.relative_to(source))
            assert there.read_bytes() == path.read_bytes()
    assert not Path(f"{host.root}{CODE}/LEAVES").exists()
    assert host.inside(WELL).ok


MIGRATION = """
import pathlib
import time

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("nickname", sa.String(40)))
    pathlib.Path("/srv/lingzhi/data/migrating").touch()
    time.sleep(3)


def downgrade() -> None:
    op.drop_column("users", "nickname")
"""
DATA = "/srv/lingzhi/data"
SCHEMA = (
    f"sqlite3 {DATA}/lingzhi_ecosystem.db '.schema users' 'select version_num from alembic_version'"
)


def migrating(host: Host, folder: Path, name: str) -> Path:
    """A release with a migration that takes its time, and says when it has begun."""
    source = release(host, folder, name)
    (source / "migrations/versions/0004_nicknames.py").write_text(MIGRATION)
    assert host.inside(f"rm -f {DATA}/migrating").ok
    return source


def until(true: Callable[[], Any], seconds: float = 90) -> Any:
    """What *true* gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, true
        time.sleep(0.05)
    return found


def rows(host: Host) -> str:
    """The people in the database."""
    return host.inside(f"sqlite3 {DATA}/lingzhi_ecosystem.db 'select count(*) from users'").stdout


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["left", "agent"])
def test_a_migration_is_whole_or_gone(
    victim: str, host: Host, drill: KillDrill, tmp_path: Path
) -> None:
    """Killed in its middle, its run does it anew, from the database as it was. A run that never
    comes back leaves nothing: the next one puts database and code back, and restarts what serves
    them."""
    product, name = drill.product, "migrated"
    product.register(name, host, watch=False, every_s=86400, hold_s=0.5)
    source = migrating(host, tmp_path / "source", name)
    old, schema, people = tree(host), host.inside(SCHEMA).stdout, rows(host)
    marker = Path(f"{host.root}{DATA}/migrating")
    if victim == "left":
        point = drill.points / "place.after"
        point.touch()
        run = product.run("deploy", app=name, source=str(source))
        reached = point.with_name("place.after.reached")
        until(lambda: reached.exists() and reached.read_text())
        assert "nickname" in host.inside(SCHEMA).stdout
        state = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
        url = f"{product.pids()['prefect']}/api/flow_runs/{run}/set_state"
        httpx.post(url, json=state).raise_for_status()
        os.kill(int(reached.read_text()), signal.SIGKILL)
        reached.unlink()
        began = host.inside("systemctl show -p InvocationID lingzhi").stdout
        product.register(name, host, watch=False, every_s=86400, hold_s=0.5)
        assert (tree(host), host.inside(SCHEMA).stdout) == (old, schema)
        assert host.inside("systemctl show -p InvocationID lingzhi").stdout != began
    else:
        run = product.run("deploy", app=name, source=str(source))
        until(marker.exists)
        marker.unlink()
        host.inside("pkill -9 -f '[a]utoloop-agent$'")
        until(marker.exists)
        final = until(lambda: drill._final(run))
        assert final["state"]["name"] == "Completed", final["state"]
        assert "nickname" in host.inside(SCHEMA).stdout
        assert host.inside(SCHEMA).stdout.endswith("0004\n")
        assert tree(host) != old
    assert rows(host) == people
    assert host.inside(WELL).ok


def halves(points: Sequence[str], change: str) -> tuple[str, ...]:
    """What must be on the host at each point: the old up to the change, the new from then on."""
    at = points.index(change)
    return ("before",) * at + ("after",) * (len(points) - at)


def release(host: Host, folder: Path, name: str) -> Path:
    """The next version of the host's code: a file changed, a file new, and one that leaves."""
    assert host.inside(f"echo gone soon >{CODE}/LEAVES").ok
    packed = Path(f"{host.root}/tmp/code.tar")
    script = f"tar -C {CODE} --exclude=__pycache__ --exclude=LEAVES -cf /tmp/code.tar ."
    assert host.inside(script).ok
    with tarfile.open(fileobj=io.BytesIO(packed.read_bytes())) as archive:
        archive.extractall(folder, filter="data")
    with (folder / "settings.py").open("a") as file:
        file.write(f"\nRELEASE = {name!r}\n")
    (folder / f"NEWS-{name}").write_text("a file that was not there\n")
    return folder
