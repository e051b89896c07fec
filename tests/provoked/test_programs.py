"""Real programs, broken on purpose in a folder of their own: what they print is read.

The programs are those of this machine, or those of the root folder that
``AUTOLOOP_PROVOKED_ROOT`` names (``make test-provoked`` makes one, for root); what is not
installed is skipped. How many must be right is what the engine promises for texts that it has
not seen, not all of them: a recipe that is read wrongly is no reason to change its verdict.
"""

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.core.reading import text_engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = os.environ.get("AUTOLOOP_PROVOKED_ROOT", "")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin"
RECIPES: list[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("recipes.toml").read_text(encoding="utf-8")
)["recipe"]
START = {
    "mariadb": (
        "chown mysql . && mariadb-install-db --user=mysql --datadir=$PWD/d >/dev/null 2>&1 && "
        "(setsid mariadbd --no-defaults --user=mysql --datadir=$PWD/d --socket=$PWD/s --port=7430 "
        "--pid-file=$PWD/pid > log 2>&1 &) && for i in $(seq 60); do [ -S s ] && break; sleep 0.5;"
        ' done; mariadb -S s -e "create database shop; create table shop.t (id int primary key, '
        "name varchar(9)); insert into shop.t values (1,'a'); create user bob@localhost "
        "identified by 'right'; grant select, insert on shop.* to bob@localhost\"; cp log ordinary"
    ),
    "postgres": (
        "chown postgres . && setpriv --reuid postgres --clear-groups initdb -D d -E UTF8 "
        "--locale=C.UTF-8 >/dev/null 2>&1 && (setsid setpriv --reuid postgres --clear-groups "
        "postgres -D d -k $PWD -p 7431 > log 2>&1 &) && for i in $(seq 60); do "
        "pg_isready -q -h $PWD -p 7431 && break; sleep 0.5; done; cp d/postmaster.pid pid; "
        'psql -q -h $PWD -p 7431 -U postgres -c "create table t (id int primary key, name text)" '
        "-c \"insert into t values (1,'a')\" -c 'create role bob login'; cp log ordinary"
    ),
}


def shell(script: str, folder: str, **env: str) -> str:
    """What a script prints in *folder*, errors first; at most 45 s of it."""
    argv = ["bash", "-c", f"cd {folder} && {script}"]
    try:
        ran = subprocess.run(
            ["chroot", ROOT, *argv] if ROOT else argv,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=45,
            env={"PATH": PATH, "HOME": "/tmp", "LC_ALL": "C.UTF-8", **env},
        )
    except subprocess.TimeoutExpired:
        return ""
    return (ran.stderr + ran.stdout).decode("utf-8", "replace")


def folder(name: str) -> str:
    """An empty folder, as the programs see it."""
    path = Path(f"{ROOT}/tmp/provoked-{name}")
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    path.chmod(0o755)
    return f"/tmp/provoked-{name}"


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, dict[str, str]]]:
    """The surroundings of a recipe that asks a database; the servers end with the tests."""
    homes = {name: folder(name) for name in START}
    for name, home in homes.items():
        shell(START[name], home)
    yield {
        "": {},
        "mariadb": {
            "SOCK": f"{homes['mariadb']}/s",
            "LOG": f"{homes['mariadb']}/ordinary",
        },
        "postgres": {
            "PGHOST": homes["postgres"],
            "PGPORT": "7431",
            "PGUSER": "postgres",
            "PGDATABASE": "postgres",
            "LOG": f"{homes['postgres']}/ordinary",
        },
    }
    for home in homes.values():
        shell("kill $(head -1 pid); sleep 2", home)
        shutil.rmtree(f"{ROOT}{home}", ignore_errors=True)


def installed(program: str) -> bool:
    """Whether the programs of the recipe are there."""
    return bool(shutil.which(program, path=":".join(f"{ROOT}{each}" for each in PATH.split(":"))))


def test_what_programs_print_is_read_as_what_was_done_to_them(
    servers: dict[str, dict[str, str]],
) -> None:
    """Nine of ten names are right; nothing broken is called ordinary more than once in 30."""
    wrong: list[str] = []
    missed = asked = 0
    for number, recipe in enumerate(each for each in RECIPES if installed(each["needs"])):
        text = shell(recipe["run"], folder(str(number)), **servers[recipe.get("server", "")])
        if text.strip():
            asked += 1
            top = text_engine().read(text)[0]
            if top.name not in (recipe["is"], *recipe.get("also", ())):
                wrong.append(f"{recipe['run']}: {recipe['is']}, read as {top.name}: {text[:300]}")
                missed += top.name == "NONE.benign"
    if asked < 60:
        pytest.skip(f"only {asked} of {len(RECIPES)} recipes have their programs here")
    assert len(wrong) <= asked * 0.1, "\n".join(wrong)
    assert missed <= asked / 30


def test_every_recipe_is_whole() -> None:
    """It says what it needs, what it runs, and what that is."""
    for recipe in RECIPES:
        assert {"needs", "run", "is"} <= recipe.keys()
        assert recipe.keys() <= {"needs", "run", "is", "culprit", "also", "server"}
