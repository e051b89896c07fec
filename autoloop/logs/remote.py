"""The log reader on a host: it runs there, and only what is suspicious crosses the wire."""

import contextlib
import json
import logging
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from autoloop.agent.channel import Channel, packed
from autoloop.core.errors import AgentLost, AgentRefused
from autoloop.core.redact import redact
from autoloop.logs.target.fold import Folded
from autoloop.logs.target.records import Record
from autoloop.logs.target.watch import Deliver

MODULES = (
    "marks",
    "scan",
    "records",
    "folder",
    "files",
    "fold",
    "globs",
    "containers",
    "journal",
    "sources",
    "watch",
)
"""What `target/serve.py` imports, in the order of their own imports."""

log = logging.getLogger("autoloop.logs")
SILENCE_S = 60.0
HEAD_LIMIT = 64 << 20


def program() -> bytes:
    """The reader's source as it travels."""
    return packed("autoloop.logs.target", MODULES, "serve")


class Far:
    """One reader on one host. *deliver* keeps what it found, then it may go on."""

    def __init__(self, channel: Channel, deliver: Deliver) -> None:
        self._channel, self._deliver = channel, deliver
        self._heard = time.monotonic()
        self._closed = threading.Event()

    def run(self, sources: Sequence[Mapping[str, Any]], states: Mapping[str, Any]) -> None:
        """Until `close`, or until the connection ends.

        Raises:
            AgentLost: the connection ended, or nothing was heard for `SILENCE_S`.
            AgentRefused: what came is no frame of the protocol.
        """
        threading.Thread(target=self._watch_silence, daemon=True).start()
        try:
            self._send({"kind": "watch", "sources": list(sources), "states": dict(states)})
            while (head := self._receive()) is not None:
                if head["kind"] == "missing":
                    tell_missing(self._channel.place, str(head["name"]), str(head["why"]))
                elif head["kind"] == "found":
                    self._deliver([_folded(row) for row in head["rows"]], head["states"])
                    self._send({"kind": "kept"})
        except AgentLost:
            if not self._closed.is_set():  # else it is we who ended it
                raise
        except (ValueError, KeyError, TypeError) as error:
            what = f"sent no frame of the protocol: {error!r}"
            raise AgentRefused(self._channel.place, what, "check python3 there") from None
        finally:
            self.close()

    def close(self) -> None:
        """End the reader and the connection. May be called twice, from any thread."""
        self._closed.set()
        with contextlib.suppress(Exception):
            self._channel.close()

    def _send(self, head: Mapping[str, Any]) -> None:
        data = json.dumps(head).encode()
        self._channel.write(struct.pack(">II", len(data), 0) + data)

    def _receive(self) -> dict[str, Any] | None:
        lengths = self._channel.read(8)
        if len(lengths) < 8:
            if self._closed.is_set():
                return None
            complaint = getattr(self._channel, "complaint", lambda: "")()
            what = f"the log reader ended {complaint}".strip()
            raise AgentLost(self._channel.place, what, "it is started again")
        size = struct.unpack(">II", lengths)[0]
        if size > HEAD_LIMIT:
            raise ValueError(f"a frame of {size} bytes")
        self._heard = time.monotonic()
        head: dict[str, Any] = json.loads(self._channel.read(size))
        return head

    def _watch_silence(self) -> None:
        while not self._closed.wait(5):
            if time.monotonic() - self._heard > SILENCE_S:
                with contextlib.suppress(Exception):
                    self._channel.close()
                return


def tell_missing(place: str, name: str, why: str) -> None:
    """A log that cannot be read is warned of; *why* is "" when it can be read again."""
    if why:
        log.warning("%s: %s cannot be read: %s", place, name, redact(why))
    else:
        log.info("%s: %s is read again", place, name)


def _folded(row: Mapping[str, Any]) -> Folded:
    text, before, after = (
        str(row[name]).encode("utf-8", "surrogateescape") for name in ("text", "before", "after")
    )
    folded = Folded(str(row["source"]), Record(text, before, after, int(row["place"])))
    folded.count, folded.last = int(row["count"]), int(row["last"])
    return folded


def watch_far(
    connect: Callable[[bytes], Channel],
    sources: Sequence[Mapping[str, Any]],
    states: Callable[[], Mapping[str, Any]],
    deliver: Deliver,
    started: Callable[[Far], None] = lambda _: None,
) -> None:
    """Connect, and watch from where *states* says; see `Far.run`."""
    far = Far(connect(program()), deliver)
    started(far)
    far.run(sources, states())
