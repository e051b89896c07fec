"""Where lines come from, as it is asked for."""

import os
import select
import time
from typing import Any, Dict, List, Optional, Tuple

from autoloop.logs.target.containers import Container, Named
from autoloop.logs.target.files import BLOCK, NEVER, Found, Mark, Reader
from autoloop.logs.target.globs import Files
from autoloop.logs.target.journal import Journal


class Pipe(Reader):
    """What comes through a pipe; there is no going back in it."""

    def __init__(self, handle: int) -> None:
        self._handle, self.ended = handle, False
        self.mark, self.packed, self.name = Mark("pipe"), False, "stdin"
        self.finished, self.truncated, self.due = False, False, NEVER
        self.grown, self._waiting, self._waits_at = time.monotonic(), b"", -1
        self.data, self.done, self.floor = b"", 0, 0

    def _fresh(self) -> bytes:
        if self.ended or not select.select([self._handle], [], [], 0)[0]:
            return b""
        fresh = os.read(self._handle, BLOCK)
        self.grown = time.monotonic()
        self.ended = self.finished = not fresh
        if self.ended and self.done < len(self.data) and not self.data.endswith(b"\n"):
            return b"\n"  # its last line lacks its end
        return fresh

    def next(self, engine: Any, final: bool = False) -> Optional[Tuple[str, Found]]:
        """The next block."""
        found = self.step(engine, final or self.ended)
        return (self.name, found) if found is not None else None

    def refresh(self) -> None:
        pass

    def states(self) -> Dict[str, Any]:
        return {}

    def watched(self) -> List[str]:
        return []

    def files(self) -> List[str]:
        return []

    def handles(self) -> List[int]:
        return [] if self.ended else [self._handle]

    def missing(self) -> Dict[str, str]:
        return {}

    def close(self) -> None:
        pass


def sources_of(rows: List[Dict[str, Any]], states: Dict[str, Any]) -> List[Any]:
    """Sources as they are asked for: ``{"kind": "file" | "container" | "journal", …}``.

    *states* says how far each was read; ``from_start`` whether one that is new is read from its
    beginning.
    """
    made: List[Any] = []
    for row in rows:
        start = bool(row.get("from_start"))
        if row["kind"] == "journal":
            made.append(Journal(row["units"], states))
        elif "name" in row:
            made.append(Named(row["name"], states, start))
        else:
            reader = Container if row["kind"] == "container" else Reader
            made.append(Files(row["path"], states, start, reader))
    return made
