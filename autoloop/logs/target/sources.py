"""Where lines come from besides plain files: patterns of paths, containers, the journal, a pipe."""

import contextlib
import glob
import json
import os
import re
import select
import subprocess
import time
from typing import Any, Dict, List, Optional, Tuple

from autoloop.logs.target.files import BLOCK, NEVER, OPEN_S, SETTLE_S, Found, Log, Mark, Reader
from autoloop.logs.target.records import BACK, spans

ENTRIES = 4000
"""Entries of the journal that are put together at once."""

ENTRY = 4 << 20
"""Bytes of an entry; what is longer is passed over."""

RESTART_S = 2.0

_CRI = re.compile(rb"\S+ (?:stdout|stderr) ([FP]) (.*\n?)", re.DOTALL)
_LOOKS_ROTATED = re.compile(
    r"(?:[.-]\d[\dT:_.-]*|\.old|\.bak|\.gz)(?:\.gz)?\Z|[.-]\d{6,}[\dT:_.-]*\.\w+\Z"
)


class Files:
    """All logs that a pattern names, also those that come later."""

    def __init__(
        self, pattern: str, states: Dict[str, Any], from_start: bool = True, reader: Any = Reader
    ) -> None:
        self.pattern, self._states, self._reader = pattern, states, reader
        self.logs: Dict[str, Log] = {}
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
        for log in self.logs.values():
            found = log.step(engine, final)
            if found is not None:
                return log.name, found
        return None

    @property
    def due(self) -> float:
        return min([log.due for log in self.logs.values()] or [NEVER])

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

    def close(self) -> None:
        for log in self.logs.values():
            log.close()


class Container(Reader):
    """A container's log: each line is wrapped, by Docker in JSON, by others in time and stream."""

    def _start(self) -> None:
        Reader._start(self)
        self._text, self._told = b"", 0

    def _block(self, engine: Any, silence: float, data: bytes) -> Optional[Found]:
        start = self._past_long_line(data)
        end = self._whole(data, start, silence)
        if end <= start:
            self._keep(data, start, self.floor)
            return None
        text, places, at = [self._text], [], start
        fresh = len(self._text)
        for line in data[start:end].splitlines(True):
            places.append((fresh, at))
            text.append(unwrapped(line))
            fresh, at = fresh + len(text[-1]), at + len(line)
        return self._found(engine, silence, data, b"".join(text), places, (start, end))

    def _found(
        self,
        engine: Any,
        silence: float,
        data: bytes,
        text: bytes,
        places: List[Tuple[int, int]],
        region: Tuple[int, int],
    ) -> Optional[Found]:
        (start, end), old = region, len(self._text)
        hits = [old + hit for hit in engine.hits(text[old:])]
        found = spans(text, self._told, len(text), hits) if hits else []
        consumed, kept, self.due = end, len(text), NEVER
        if found and found[-1][1] >= len(text) and self._held(text, found[-1], silence):
            first = found.pop()[0]
            kept, consumed = next((p for p in places if p[0] >= first), places[0])
        self._told = found[-1][1] if found else self._told
        place = self.mark.offset - self.done
        self._keep(data, consumed, self.floor)
        cut = max(0, kept - BACK)
        self._text, self._told = text[cut:kept], max(0, self._told - cut)
        return Found(text, found, len(text), place) if found or consumed > start else None


def unwrapped(line: bytes) -> bytes:
    """What a program wrote, of a line in a container's log."""
    if line[:1] == b"{":
        with contextlib.suppress(ValueError):
            row = json.loads(line.decode("utf-8", "replace"))
            return str(row.get("log", "")).encode("utf-8", "replace")
    found = _CRI.match(line)
    if found is None:
        return line
    return found.group(2) if found.group(1) == b"F" else found.group(2).rstrip(b"\n")


def log_of_container(name: str) -> str:
    """The path of the log of a container, as Docker or Podman tells it; empty if neither does."""
    for program, field in (
        ("docker", "{{.LogPath}}"),
        ("podman", "{{.HostConfig.LogConfig.Path}}"),
    ):
        command = [program, "inspect", "--format", field, name]
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            said = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
            ).stdout
            if said.strip().startswith(b"/"):
                return said.decode("utf-8", "replace").strip()
    return ""


class Journal:
    """The journal of systemd, of some units: entries of one process are put together again."""

    def __init__(
        self, units: List[str], states: Dict[str, Any], program: Tuple[str, ...] = ("journalctl",)
    ) -> None:
        self.name = "journal:" + ",".join(units)
        self._units, self._program = list(units), list(program)
        self.cursor = str((states.get(self.name) or {}).get("cursor", ""))
        self._rest, self._skipping = b"", False
        self._entries: List[Dict[str, Any]] = []
        self._queue: List[Found] = []
        self._process: Any = None
        self._born, self.grown, self.due = 0.0, 0.0, NEVER
        self.missing = ""
        self.refresh()

    def refresh(self) -> None:
        """Start ``journalctl`` if it does not run."""
        now = time.monotonic()
        if (self._process is not None and self._process.poll() is None) or now < self._born:
            return
        self.close()
        self._born = now + RESTART_S
        self.cursor = self.cursor or self._newest()
        after = ["--after-cursor=" + self.cursor] if self.cursor else []
        command = [*self._program, "--output=json", "--follow", "--no-tail", "--quiet", *after]
        for unit in self._units:
            command += ["--unit", unit]
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self.missing = ""
        except OSError as error:
            self.missing = str(error)

    def _newest(self) -> str:
        command = [*self._program, "--output=json", "--lines=1", "--quiet"]
        with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
            said = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20
            ).stdout
            return str(json.loads(said.decode("utf-8", "replace") or "{}").get("__CURSOR", ""))
        return ""

    def next(self, engine: Any, final: bool = False) -> Optional[Tuple[str, Found]]:
        """What the next entries hold."""
        if not self._queue:
            self._read()
            silence = time.monotonic() - self.grown
            enough = len(self._entries) >= ENTRIES
            if self._entries and (final or enough or silence >= OPEN_S or self._closed(silence)):
                self._put_together(engine)
        if not self._queue:
            self.due = (
                self.grown + (OPEN_S if self._open() else SETTLE_S) if self._entries else NEVER
            )
            return None
        return self.name, self._queue.pop(0)

    def _closed(self, silence: float) -> bool:
        return silence >= SETTLE_S and not self._open()

    def _open(self) -> bool:
        """Whether the last entry may be inside a trace, which services write line by line."""
        last = self._entries[-1]["text"] if self._entries else b""
        return last[:1] in (b" ", b"\t") or last.startswith(b"Traceback ")

    def _read(self) -> None:
        if self._process is None:
            return
        handle = self._process.stdout.fileno()
        while len(self._entries) < ENTRIES and select.select([handle], [], [], 0)[0]:
            fresh = os.read(handle, BLOCK)
            if not fresh:
                self._process.wait()
                return
            self.grown = time.monotonic()
            lines = (self._rest + fresh).split(b"\n")
            self._rest = lines.pop()
            if self._skipping and lines:
                lines, self._skipping = lines[1:], False
            for line in lines:
                self._take(line)
            if len(self._rest) > ENTRY:
                self._rest, self._skipping = b"", True

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line.decode("utf-8", "replace"))
            self._entries.append(
                {
                    "cursor": row["__CURSOR"],
                    "from": (row.get("_SYSTEMD_UNIT"), row.get("_PID")),
                    "text": message(row.get("MESSAGE")),
                    "grave": str(row.get("PRIORITY", "6")) in ("0", "1", "2", "3"),
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return

    def _put_together(self, engine: Any) -> None:
        by_process: Dict[Any, List[Dict[str, Any]]] = {}
        for entry in self._entries:
            by_process.setdefault(entry["from"], []).append(entry)
        for entries in by_process.values():
            text, grave = b"", []
            for entry in entries:
                if entry["grave"]:
                    grave.append(len(text))
                text += entry["text"] + b"\n"
            hits = sorted({*engine.hits(text), *grave})
            self._queue.append(Found(text, spans(text, 0, len(text), hits), len(text), 0))
        self.cursor = self._entries[-1]["cursor"]
        self._entries = []

    def states(self) -> Dict[str, Any]:
        """The cursor counts only when everything before it was handed on."""
        return {self.name: {"cursor": self.cursor}} if not self._queue else {}

    def watched(self) -> List[str]:
        return []

    def files(self) -> List[str]:
        return []

    def handles(self) -> List[int]:
        running = self._process is not None and self._process.poll() is None
        return [self._process.stdout.fileno()] if running else []

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None


def message(value: Any) -> bytes:
    """The text of an entry: a string, or a list of bytes when it is no UTF-8."""
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return bytes(each & 255 for each in value)
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""


class Pipe(Reader):
    """What comes through a pipe; there is no going back in it."""

    def __init__(self, handle: int) -> None:
        self._handle, self.ended = handle, False
        self.mark, self.packed, self.name = Mark("pipe"), False, "stdin"
        self.finished, self.due, self.grown = False, NEVER, time.monotonic()
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

    def close(self) -> None:
        pass


def sources_of(rows: List[Dict[str, Any]], states: Dict[str, Any]) -> List[Any]:
    """Sources as they are asked for: ``{"kind": "file" | "container" | "journal", …}``."""
    made: List[Any] = []
    for row in rows:
        start = bool(row.get("from_start"))
        if row["kind"] == "journal":
            made.append(Journal(row["units"], states))
        elif row["kind"] == "file":
            made.append(Files(row["path"], states, start))
        else:
            path = row.get("path") or log_of_container(row["name"])
            if path:
                made.append(Files(path, states, start, Container))
    return made
