"""The client's side of one connection to an agent."""

import contextlib
import itertools
import json
import queue
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from typing import Any

from autoloop.agent.channel import Channel
from autoloop.core import errors
from autoloop.core.errors import AgentLost, AgentRefused, DeadlineExceeded

PROTOCOLS = (1,)
PING_S = 20.0
HEAD_LIMIT = 64 << 20
BODY_LIMIT = 4 << 20


class Client:
    """Calls by request id over one channel; several may be under way at once.

    A call ends with its value, with the error that the agent named (`autoloop.core.errors`),
    with `DeadlineExceeded`, or with `AgentLost`: then its outcome is unknown.
    """

    def __init__(self, channel: Channel, state_dir: str = "", connect_s: float = 20.0) -> None:
        self.channel = channel
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Future[Any]] = {}
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._greeting: Future[Any] = Future()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="agent-reader", daemon=True).start()
        threading.Thread(target=self._talk, name="agent-writer", daemon=True).start()
        try:
            self._await(self._greeting, "hello", connect_s)
            hello = {"protocols": list(PROTOCOLS), "state_dir": state_dir}
            self.facts: dict[str, Any] = self.call("hello", hello, deadline_s=connect_s)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._keep_alive, name="agent-ping", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the connection is still there, as far as is known."""
        return not self._closed.is_set()

    def call(
        self, op: str, args: dict[str, Any], body: bytes = b"", deadline_s: float = 30.0
    ) -> Any:
        """One request, one answer.

        Raises:
            AutoloopError: the exception the agent named.
            DeadlineExceeded: no answer within *deadline_s* seconds; the call is cancelled.
            AgentLost: the connection ended first.
        """
        number, waiting = next(self._numbers), Future[Any]()
        with self._guard:
            if self._closed.is_set():
                raise self._lost()
            self._waiting[number] = waiting
        head = {"kind": "call", "id": number, "op": op, "args": args, "deadline_s": deadline_s}
        self._send(head, body)
        try:
            return self._await(waiting, op, deadline_s)
        except DeadlineExceeded:
            self._send({"kind": "cancel", "id": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """End the agent and the connection."""
        self._closed.set()
        self.channel.close()
        self._end()

    def _await(self, waiting: "Future[Any]", op: str, deadline_s: float) -> Any:
        try:
            return waiting.result(deadline_s)
        except Late:
            what = f"no answer to '{op}' within {deadline_s:g} s"
            raise DeadlineExceeded(self.channel.place, what, "check the host's load") from None

    def _send(self, head: dict[str, Any], body: bytes = b"") -> None:
        data = json.dumps(head).encode()
        self._outbox.put(struct.pack(">II", len(data), len(body)) + data + body)

    def _talk(self) -> None:
        """Write frames in turn: a peer that does not read holds this thread, never a caller."""
        with contextlib.suppress(OSError, ValueError):
            while (frame := self._outbox.get()) is not None:
                self.channel.write(frame)
        self._end()

    def _listen(self) -> None:
        """Deliver frames until the end, or until one is no frame of the protocol."""
        with contextlib.suppress(Exception):
            while True:
                lengths = struct.unpack(">II", self.channel.read(8))
                if lengths[0] > HEAD_LIMIT or lengths[1] > BODY_LIMIT:
                    break
                head = json.loads(self.channel.read(lengths[0]))
                self.channel.read(lengths[1])
                self._deliver(head)
        self._end()

    def _deliver(self, head: dict[str, Any]) -> None:
        if head["kind"] == "hello":
            self._greeting.set_result(head)
            return
        waiting = self._waiting.get(head["id"])
        if waiting is None or waiting.done():
            return
        if head["kind"] == "error":
            waiting.set_exception(as_exception(head["error"]))
        else:
            waiting.set_result(head["value"])

    def _end(self) -> None:
        with self._guard:
            self._closed.set()
            left = (self._greeting, *self._waiting.values())
        self._outbox.put(None)
        for waiting in left:
            with contextlib.suppress(Exception):
                waiting.set_exception(self._lost())

    def _lost(self) -> AgentLost:
        complaint = getattr(self.channel, "complaint", lambda: "")()
        what = f"the connection to the agent ended {complaint}".strip()
        return AgentLost(self.channel.place, what, "it is tried again; check python3 on the host")

    def _keep_alive(self) -> None:
        """Two pings without an answer are a dead connection, even if nothing says so."""
        missed = 0
        while missed < 2 and not self._closed.wait(PING_S):
            try:
                self.call("ping", {}, deadline_s=PING_S)
                missed = 0
            except errors.AutoloopError:
                missed += 1
        if missed:
            self.close()


def as_exception(body: dict[str, str]) -> errors.AutoloopError:
    """The exception that an agent's error stands for."""
    kind = getattr(errors, str(body.get("error", "")), AgentRefused)
    if not (isinstance(kind, type) and issubclass(kind, errors.AutoloopError)):
        kind = AgentRefused
    return kind(body.get("place", "agent"), body.get("what", "?"), body.get("next", ""))


def pieces(
    contents: Sequence[tuple[str, bytes]], limit: int
) -> list[tuple[list[dict[str, Any]], bytes]]:
    """Contents cut and packed into bodies of at most *limit* bytes, small ones together."""
    frames: list[tuple[list[dict[str, Any]], bytes]] = []
    heads: list[dict[str, Any]] = []
    body = b""
    for sha, data in contents:
        for offset in range(0, max(1, len(data)), limit):
            part = data[offset : offset + limit]
            if body and len(body) + len(part) > limit:
                frames.append((heads, body))
                heads, body = [], b""
            heads.append({"sha256": sha, "offset": offset, "size": len(part), "total": len(data)})
            body += part
    if heads:
        frames.append((heads, body))
    return frames
