"""Files by a pattern: all logs that it names, also those that come later."""

import glob
import os
import re
from typing import Any, Dict, List, Optional, Tuple

from autoloop.logs.target.files import NEVER, Found, Log, Reader

_LOOKS_ROTATED = re.compile(
    r"(?:[.-]\d[\dT:_.-]*|\.old|\.bak|\.gz)(?:\.gz)?\Z|[.-]\d{6,}[\dT:_.-]*\.\w+\Z"
)

TURN = 64
"""Blocks of one log that are read before the others are asked."""


class Files:
    """All logs that a pattern names, also those that come later."""

    def __init__(
        self, pattern: str, states: Dict[str, Any], from_start: bool = True, reader: Any = Reader
    ) -> None:
        self.pattern, self._states, self._reader = pattern, states, reader
        self.logs: Dict[str, Log] = {}
        self._left = TURN
        self._from_start = from_start
        self.refresh()
        self._from_start = True  # what comes later is new from its first byte

    def refresh(self) -> None:
        """Look for new files, and whether the known ones were rotated."""
        for log in self.logs.values():
            log.refresh()
        for path in self._paths():
            if path not in self.logs:
                state = self._states.get("file:" + path)
                self.logs[path] = Log(path, state, self._from_start, self._reader)

    def _paths(self) -> List[str]:
        if not glob.has_magic(self.pattern):
            return [self.pattern]
        found = sorted(glob.glob(self.pattern))
        return [p for p in found if os.path.isfile(p) and not _LOOKS_ROTATED.search(p)]

    def next(self, engine: Any, final: bool = False) -> Optional[Tuple[str, Found]]:
        """The next block of any of them."""
        for first, (path, log) in enumerate(self.logs.items()):
            found = log.step(engine, final)
            if found is not None:
                self._left = self._left - 1 if not first else TURN
                if first or not self._left:
                    self._turn(path, bool(self._left))
                return log.name, found
        return None

    def _turn(self, path: str, more: bool) -> None:
        """One log goes on while it has more, but not for ever: then the others are asked first."""
        log = self.logs.pop(path)
        self.logs = {path: log, **self.logs} if more else {**self.logs, path: log}
        self._left = self._left or TURN

    @property
    def due(self) -> float:
        return min([log.due for log in self.logs.values()] or [NEVER])

    def held(self) -> List[bytes]:
        """Records that are held back because they may go on, as they began; each once."""
        return [text for log in self.logs.values() for text in log.held()]

    def states(self) -> Dict[str, Any]:
        return {log.name: log.state() for log in self.logs.values()}

    def watched(self) -> List[str]:
        """Paths whose change is news."""
        folder = os.path.dirname(self.pattern) or "."
        return [folder] if glob.has_magic(folder) is False else []

    def files(self) -> List[str]:
        return list(self.logs)

    def handles(self) -> List[int]:
        return []

    def missing(self) -> Dict[str, str]:
        """What cannot be read now, and why."""
        if not self.logs:
            return {"file:" + self.pattern: "matches nothing"}
        return {log.name: log.missing for log in self.logs.values() if log.missing}

    def close(self) -> None:
        for log in self.logs.values():
            log.close()
