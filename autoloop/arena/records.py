"""What is written down about each host, so that another process can end or clean it up."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from autoloop.arena.errors import NoSuchHost
from autoloop.arena.processes import ProcessId


@dataclass(frozen=True)
class Record:
    """One host. `owner` is the process whose end ends it; None: it stays until told."""

    name: str
    machine: str
    ip: str
    bridge: str
    gateway: str
    layers: str
    owner: ProcessId | None
    container: ProcessId | None = None
    leader: ProcessId | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in a host's folder."""
        try:
            fields: dict[str, Any] = json.loads((folder / "host.json").read_text())
        except (FileNotFoundError, ValueError) as error:
            raise gone(folder) from error
        for key in ("owner", "container", "leader"):
            fields[key] = ProcessId(**fields[key]) if fields[key] else None
        return cls(**fields)

    def write(self, folder: Path) -> Self:
        """Keep it, all or nothing."""
        part = folder / "host.json.part"
        try:
            part.write_text(json.dumps(asdict(self)))
            part.rename(folder / "host.json")
        except FileNotFoundError as error:
            raise gone(folder) from error
        return self

    def now(self, **changes: Any) -> Self:
        """The same with changes."""
        return replace(self, **changes)

    @property
    def running(self) -> bool:
        """Whether any of its processes is known to run."""
        return any(process and process.alive() for process in (self.container, self.leader))

    @property
    def abandoned(self) -> bool:
        """Whether the process that wanted it has ended."""
        return self.owner is not None and not self.owner.alive()


def gone(folder: Path) -> NoSuchHost:
    """The error of who looks for a host that is not there, or was thrown away meanwhile."""
    return NoSuchHost(f"host {folder.name}", f"no record in {folder}", "see which hosts there are")


def records(hosts: Path) -> Iterator[Record]:
    """All hosts that have a record."""
    for file in sorted(hosts.glob("*/host.json")):
        try:
            yield Record.read(file.parent)
        except NoSuchHost:  # just deleted
            continue
