"""The journal of systemd, by ``journalctl``."""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import time
from typing import Any, Dict, List, Optional, Tuple

from autoloop.logs.target.files import BLOCK, NEVER, OPEN_S, SETTLE_S, Found
from autoloop.logs.target.records import LONGEST, spans

ENTRIES = 4000
"""Entries of the journal that are put together at once."""

ENTRIES_BYTES = 2 << 20
ENTRY = 4 << 20
"""Bytes of an entry as it comes; what is longer is passed over."""

AGAIN_S = (2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
"""A ``journalctl`` that ended is started again after so long: later each time that it ends soon."""

LASTED_S = 60.0
"""One that has run for so long is well."""

OFTEN, DAY_S = 5, 86400.0
"""What ended so often in a row becomes a finding, and another after so long."""

COMPLAINT = 500
"""Bytes of its complaints that are told: the last ones."""

_LIBC = ctypes.CDLL(None)  # loaded before any fork


def _die_with_reader() -> None:
    """Have the kernel end this process with the thread that started it, however that ends."""
    with contextlib.suppress(AttributeError):
        _LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)


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
        self._size = 0
        self._queue: List[Found] = []
        self._process: Any = None
        self._begun = self._start_at = self._find_at = 0.0
        self._ends, self._complaint = 0, b""
        self.grown, self.due = 0.0, NEVER
        self.trouble = ""
        self.refresh()

    def refresh(self) -> None:
        """Start ``journalctl`` if it does not run, and say so if it does not stay."""
        now = time.monotonic()
        if self._runs():
            self._listen()
            if self._ends and now - self._begun >= LASTED_S:
                self._ends, self.trouble = 0, ""
            return
        if self._process is not None:
            self._ended(now)
        if now >= self._start_at:
            self._start(now)

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start(self, now: float) -> None:
        """From behind the last entry that came: those that wait here are not read again."""
        self._begun, self._rest, self._skipping = now, b"", False
        self.cursor = self.cursor or self._newest()
        last = self._entries[-1]["cursor"] if self._entries else self.cursor
        command = [*self._program, "--output=json", "--follow", "--no-tail", "--quiet"]
        command += ["--after-cursor=" + last] if last else []
        for unit in self._units:
            command += ["--unit", unit]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                preexec_fn=_die_with_reader,
            )
            os.set_blocking(self._process.stderr.fileno(), False)
        except OSError as error:
            self._failed("cannot be started: %s" % error, now)

    def _listen(self) -> None:
        """Take in what it complains of, so that it never waits for us."""
        with contextlib.suppress(OSError):
            for _ in range(16):
                fresh = os.read(self._process.stderr.fileno(), BLOCK)
                if not fresh:
                    return
                self._complaint = (self._complaint + fresh)[-COMPLAINT:]

    def _ended(self, now: float) -> None:
        self._listen()
        said = " ".join(self._complaint.decode("utf-8", "replace").split())
        code = self._process.returncode
        why = "exited with code %d" % code if code >= 0 else "was ended by signal %d" % -code
        lasted = now - self._begun >= LASTED_S
        self.close()
        self._ends, self._complaint = 0 if lasted else self._ends, b""
        self._failed(why + (" (%s)" % said if said else ""), now)

    def _failed(self, why: str, now: float) -> None:
        self._ends += 1
        self._start_at = now + AGAIN_S[min(self._ends, len(AGAIN_S)) - 1]
        often = ", %d times in a row" % OFTEN if self._ends >= OFTEN else ""
        self.trouble = "journalctl %s%s; it is started again" % (why, often)
        if self._ends >= OFTEN and now >= self._find_at:
            self._find_at = now + DAY_S
            said = "ERROR autoloop cannot read the journal, journalctl %s, %d times in a row\n"
            text = (said % (why, self._ends)).encode("utf-8", "replace")
            self._queue.append(Found(text, [(0, len(text))], len(text), 0))

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
            if self._entries and (
                final or self._enough() or silence >= OPEN_S or self._closed(silence)
            ):
                self._put_together(engine)
        if not self._queue:
            self.due = (
                self.grown + (OPEN_S if self._open() else SETTLE_S) if self._entries else NEVER
            )
            return None
        return self.name, self._queue.pop(0)

    def _enough(self) -> bool:
        return len(self._entries) >= ENTRIES or self._size >= ENTRIES_BYTES

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
        while not self._enough() and select.select([handle], [], [], 0)[0]:
            fresh = os.read(handle, BLOCK)
            if not fresh:
                self._end()
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

    def _end(self) -> None:
        """It has closed its output: it ends by itself, or is ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        if self._runs():
            self._process.kill()
            self._process.wait()

    def _take(self, line: bytes) -> None:
        try:
            row = json.loads(line.decode("utf-8", "replace"))
            text = message(row.get("MESSAGE"))[:LONGEST]
            self._size += len(text)
            self._entries.append(
                {
                    "cursor": row["__CURSOR"],
                    "from": (row.get("_SYSTEMD_UNIT"), row.get("_PID")),
                    "text": text,
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
        self._entries, self._size = [], 0

    def held(self) -> List[bytes]:
        return []

    def states(self) -> Dict[str, Any]:
        """The cursor counts only when everything before it was handed on."""
        return {self.name: {"cursor": self.cursor}} if not self._queue else {}

    def watched(self) -> List[str]:
        return []

    def files(self) -> List[str]:
        return []

    def handles(self) -> List[int]:
        return [self._process.stdout.fileno()] if self._runs() else []

    def missing(self) -> Dict[str, str]:
        """Why it cannot be read."""
        return {self.name: self.trouble} if self.trouble else {}

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process.stderr.close()
            self._process = None


def message(value: Any) -> bytes:
    """The text of an entry: a string, or a list of bytes when it is no UTF-8."""
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return bytes(each & 255 for each in value)
    return value.encode("utf-8", "replace") if isinstance(value, str) else b""
