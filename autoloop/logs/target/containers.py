"""Logs of containers: of Docker in JSON, of others in the form that container runtimes share."""

import contextlib
import json
import re
import subprocess
import time
from typing import Any, Dict, List, Optional, Tuple

from autoloop.logs.target.files import NEVER, Found, Reader
from autoloop.logs.target.globs import Files
from autoloop.logs.target.records import BACK, spans

ASK_AGAIN_S = 30.0
"""A container that is not there is looked for so often."""

_CRI = re.compile(rb"\S+ (?:stdout|stderr) ([FP]) (.*\n?)", re.DOTALL)


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
        hits = engine.hits(text, old)
        found = spans(text, self._told, len(text), hits) if hits else []
        consumed, kept, self.due = end, len(text), NEVER
        place = self.mark.offset - self.done
        if found and found[-1][1] >= len(text) and self._holds(text, found[-1], silence):
            first = found[-1][0]
            self._hold(text, found.pop(), place)
            kept, consumed = next((p for p in places if p[0] >= first), places[0])
        self._told = found[-1][1] if found else self._told
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


class Named(Files):
    """The log of a container by its name; it may be made, or made anew, at any time."""

    def __init__(self, name: str, states: Dict[str, Any], from_start: bool = False) -> None:
        self._name, self._asked = name, 0.0
        Files.__init__(self, "", states, from_start, Container)

    def refresh(self) -> None:
        """Ask where its log is, now and then."""
        if time.monotonic() - self._asked > ASK_AGAIN_S or not self._asked:
            self._asked = time.monotonic()
            self.pattern = log_of_container(self._name) or self.pattern
        if self.pattern:
            Files.refresh(self)

    def missing(self) -> Dict[str, str]:
        """Why it cannot be read."""
        if self.pattern:
            return Files.missing(self)
        return {"container:" + self._name: "neither docker nor podman knows it"}
