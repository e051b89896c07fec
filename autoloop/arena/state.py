"""The state of a host as far as a repair could harm it, as a table of facts.

Each fact has a kind and a subject, as effects have, and a value in words. Almost everything is
read from outside; only systemd, the packet filter and PostgreSQL are asked in the host.
"""

import hashlib
import re
import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from autoloop.arena.cluster import cluster, compared_otherwise, has_cluster
from autoloop.arena.disk import Disk, Entry
from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.running import lingering, listeners

Fact = tuple[str, str]
Facts = dict[Fact, str]

DATABASE = "/srv/lingzhi/data/lingzhi_ecosystem.db"
SETTINGS = "/etc/lingzhi/lingzhi.env"
ACCOUNTS = {
    f"/etc/{name}{tail}" for name in ("passwd", "shadow", "group", "gshadow") for tail in ("", "-")
}
# Their content is compared fact by fact instead.
READ_OTHERWISE = ACCOUNTS | {DATABASE}
IN_MEMORY = (
    "tmp",
    "dev/shm",
    "run/systemd/system",
    "run/systemd/transient",
    "run/systemd/system.control",
)

OWN_MOUNTS = ("/etc/", "/home/", "/opt/", "/srv/", "/var/")

ASK_SYSTEMD = """
systemctl list-unit-files --plain --no-legend --no-pager
echo ---
systemctl list-units --all --plain --no-legend --no-pager --type=service,socket,timer,path
echo ---
systemctl show --property=Id,InvocationID,StateChangeTimestampMonotonic '*.service'
echo ---
nft list ruleset
"""


@dataclass(frozen=True)
class State:
    """Facts about a host at one moment; about the disk only where something was written."""

    facts: Facts
    touched: frozenset[str] = frozenset()
    starts: Mapping[str, str] = field(default_factory=dict)


def take(host: Host) -> State:
    """The state of the host now."""
    disk = Disk(host.disk, host.layers)
    files = {p: entry for p, entry in disk.touched().items() if not compared_otherwise(p)}
    facts: Facts = {}
    for path, entry in files.items():
        facts |= facts_of(path, entry)
    for folder in (*IN_MEMORY, *mounted_in_memory(host)):
        facts = {(kind, at): told for (kind, at), told in facts.items() if not within(at, folder)}
        memory = Disk(host.root / folder, ()).touched()
        for path, entry in memory.items():
            facts |= facts_of(f"/{folder}{path}", entry)
    names = users(disk.read("/etc/passwd"))
    facts |= accounts(disk) | settings(disk.read(SETTINGS))
    facts |= cluster(host) if has_cluster(host) else database(host.root, DATABASE)
    for one in lingering(host, names):
        key = ("process", one.words)
        facts[key] = ", ".join(sorted({*facts.get(key, one.belongs).split(", "), one.belongs}))
    facts |= {("listener", place): who for place, who in listeners(host, names).items()}
    units, starts = _asked_systemd(host)
    return State(facts | units | mounts(host), frozenset(files), starts)


def aligned(states: Sequence[State], disk: Disk) -> list[Facts]:
    """The facts of each state, about every path that was written in any of them."""
    paths = frozenset().union(*(state.touched for state in states))
    return [_known_below(disk, paths - state.touched) | state.facts for state in states]


def _known_below(disk: Disk, paths: frozenset[str]) -> Facts:
    facts: Facts = {}
    for path in paths:
        facts |= facts_of(path, disk.below(path))
    return facts


def facts_of(path: str, entry: Entry | None) -> Facts:
    """What is to be known about one path."""
    if entry is None:
        return {}
    content = "(read otherwise)" if path in READ_OTHERWISE else entry.content
    return {("file", path): content, ("permission", path): entry.permission}


def users(passwd: str) -> dict[int, str]:
    """Numbers and names of accounts."""
    fields = [line.split(":") for line in passwd.splitlines()]
    return {int(line[2]): line[0] for line in fields if len(line) > 3}


def accounts(disk: Disk) -> Facts:
    """Users and groups, passwords as digests."""
    facts: Facts = {}
    groups = [line.split(":") for line in disk.read("/etc/group").splitlines()]
    secrets = dict(line.split(":")[:2] for line in disk.read("/etc/shadow").splitlines())
    for line in disk.read("/etc/passwd").splitlines():
        name, _, rest = line.partition(":")
        member = sorted(g[0] for g in groups if len(g) > 3 and name in g[3].split(","))
        facts["user", name] = f"{rest} {' '.join(member)} {_digest(secrets.get(name, ''))}"
    return facts | {("user", f"group {g[0]}"): ":".join(g[2:]) for g in groups if len(g) > 3}


def settings(text: str) -> Facts:
    """Each setting of the app's environment file, its value as a digest."""
    pairs = re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)$", text, re.M)
    return {("setting", f"{SETTINGS}#{key}"): _digest(_unquoted(value)) for key, value in pairs}


def _unquoted(value: str) -> str:
    """The value as systemd hands it on: quotes round all of it are not part of it."""
    found = re.fullmatch(r"""(['"])(.*)\1""", value.strip())
    return found[2] if found else value.strip()


def database(root: Path, path: str) -> Facts:
    """Each table's definition, number of rows and digest of all rows, from a copy."""
    live = root / path.lstrip("/")
    if live.is_symlink() or not live.is_file():
        return {("schema", "(database)"): "no regular file"}
    with tempfile.TemporaryDirectory() as folder:
        for tail in ("", "-wal", "-journal"):
            if live.with_name(live.name + tail).exists():
                shutil.copy(live.with_name(live.name + tail), folder)
        try:
            with closing(sqlite3.connect(Path(folder, live.name))) as copy:
                return tables(copy)
        except sqlite3.DatabaseError as error:
            return {("schema", "(database)"): f"unreadable: {error}"}


def tables(connection: sqlite3.Connection) -> Facts:
    """The facts of an open database."""
    facts: Facts = {}
    (wal,) = connection.execute("pragma journal_mode").fetchone()
    facts["schema", "(database)"] = f"journal {wal}"
    for kind, name, sql in connection.execute("select type, name, sql from sqlite_master"):
        facts["schema", name] = f"{kind} {_digest(sql or '')}"
        if kind == "table":
            quoted = name.replace('"', '""')
            rows = sorted(map(repr, connection.execute(f'select * from "{quoted}"')))
            facts["rows", name] = f"{len(rows)} rows {_digest(chr(10).join(rows))}"
    return facts


def mounted_in_memory(host: Host) -> list[str]:
    """Folders of the app, its settings or data that are file systems of their own, in memory."""
    table = Path("/proc", str(host.leader.pid), "mountinfo").read_text().splitlines()
    places = [line.split()[4] for line in table if line.partition(" - ")[2].startswith("tmpfs ")]
    return [place[1:] for place in places if place.startswith(OWN_MOUNTS)]


def within(path: str, folder: str) -> bool:
    """Whether a file's path is below a folder, which is given without its first slash."""
    return path.startswith(f"/{folder}/")


def mounts(host: Host) -> Facts:
    """What is mounted where in the host."""
    table = Path("/proc", str(host.leader.pid), "mountinfo").read_text().splitlines()
    found = defaultdict(list)
    for line in table:
        place, _, rest = line.partition(" - ")
        found[f"mount {place.split()[4]}"].append(rest.split()[0])
    return {("setting", place): " ".join(kinds) for place, kinds in found.items()}


def _asked_systemd(host: Host) -> tuple[Facts, dict[str, str]]:
    """Units with their state, the packet filter, and which start of a unit is running."""
    done = host.inside(ASK_SYSTEMD)
    parts = done.stdout.split("---\n")
    if not done.ok or len(parts) != 4:
        raise JudgeFailed(f"host {host.name}", f"systemd does not answer: {done.words}", "look why")
    enabled = {line.split()[0]: line.split()[1] for line in parts[0].splitlines() if line}
    loaded = [line.split()[:3] for line in parts[1].splitlines() if line]
    active = {name for name, _, state in loaded if state == "active"}
    facts = {
        ("unit", name): f"{'active' if name in active else 'down'}, "
        f"{enabled.get(name, 'not installed')}"
        for name in enabled.keys() | active
    }
    facts["setting", "nftables"] = _digest(parts[3].strip())
    return facts, dict(_block(block) for block in parts[2].strip().split("\n\n"))


def _block(block: str) -> tuple[str, str]:
    """A unit, and its start and last reload, of one block of `systemctl show`."""
    pairs = dict(line.split("=", 1) for line in block.splitlines())
    return pairs["Id"], f"{pairs['InvocationID']} {pairs['StateChangeTimestampMonotonic']}"


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode(errors='replace')).hexdigest()[:16]}"
