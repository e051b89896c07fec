"""A target that stays reachable over lost connections: `Target` on top of `Client`.

Reads are asked again after a lost connection. Changes are asked again too: they carry an operation
id, and the journal on the target knows what has been done. The lock is taken anew, with a new
number, before anything is changed.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from autoloop.agent.client import Client, pieces
from autoloop.core.errors import AgentLost, HostUnreachable
from autoloop.core.target import Action, Answer, Done, Read

PIECE = 512 << 10
TRIES = 3
T = TypeVar("T")


class Session:
    """One run's hold on one target. Not shared between runs.

    *connect* makes a new connection; *next_fence* gives a number larger than any before it.
    *owner* is the prefix of this run's operation ids: what it has applied survives its own crash.
    """

    def __init__(
        self, connect: Callable[[], Client], next_fence: Callable[[str], int], owner: str = ""
    ) -> None:
        self._connect = connect
        self._next_fence = next_fence
        self._owner = owner
        self._client: Client | None = None
        self._held: tuple[str, float] | None = None
        self._guard = threading.RLock()

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:
        """Answer every read, in order, in one round trip."""
        asked = {"reads": [read.model_dump() for read in reads]}
        rows = self._ask(lambda client: client.call("batch", asked, deadline_s=deadline_s))
        return tuple(Answer.model_validate(row) for row in rows)

    def lock(self, name: str, fence: int, wait_s: float) -> None:
        """Become the only writer of *name*; see `autoloop.core.target.Target.lock`."""
        with self._guard:
            self._ask(lambda client: self._take(client, name, fence, wait_s))
            self._held = (name, wait_s)

    def unlock(self, name: str) -> None:
        """Let the next writer in. A connection that is gone has done so already."""
        with self._guard:
            self._held = None
            if self._client is not None and self._client.alive:
                with contextlib.suppress(AgentLost):
                    self._client.call("unlock", {"name": name})

    def do(self, op: str, action: Action, deadline_s: float = 120.0) -> Done:
        """Carry *action* out once; a second call with the same *op* reports the first."""
        args = {"op": op, "action": action.model_dump(mode="json")}
        return self._change("do", args, deadline_s)

    def outcome(self, op: str) -> Done:
        """What the journal on the target says of *op*."""
        answer = self.observe([Read(op="outcome", args={"op": op})])[0]
        return Done.model_validate(answer.value)

    def revert(self, op: str, deadline_s: float = 120.0) -> Done:
        """Put the files, folders and databases of *op* back as they were, and check it."""
        return self._change("revert", {"op": op}, deadline_s)

    def commit(self, op: str) -> Done:
        """Declare the files of *op* to be wanted."""
        return self._change("commit", {"op": op}, 60.0)

    def mark_good(self, app: str, backup: str) -> None:
        """Make *backup* the state that remedies restore from."""
        self._locked("mark_good", {"app": app, "backup": backup}, 30.0)

    def send(self, objects: Mapping[str, bytes]) -> int:
        """Put contents the target's store lacks into it; returns the bytes that travelled."""
        if not objects:
            return 0
        lacking = self.observe([Read(op="missing", args={"objects": list(objects)})])[0].value
        travelled = 0
        for heads, body in pieces([(sha, objects[sha]) for sha in lacking], PIECE):
            put = partial(Client.call, op="put", args={"pieces": heads}, body=body, deadline_s=120)
            self._ask(put)
            travelled += len(body)
        return travelled

    def close(self) -> None:
        """End the connection, and with it the lock."""
        with self._guard:
            self._held = None
            if self._client is not None:
                self._client.close()
                self._client = None

    def _change(self, op: str, args: dict[str, Any], deadline_s: float) -> Done:
        return Done.model_validate(self._locked(op, args, deadline_s))

    def _locked(self, op: str, args: dict[str, Any], deadline_s: float) -> Any:
        name = self._held[0] if self._held else ""
        full = {**args, "lock": name}
        return self._ask(lambda client: client.call(op, full, deadline_s=deadline_s))

    def _ask(self, question: Callable[[Client], T]) -> T:
        for attempt in range(TRIES):
            try:
                return question(self._connected())
            except AgentLost:
                if attempt == TRIES - 1:
                    raise
        raise HostUnreachable("session", "no connection", "check the host")  # pragma: no cover

    def _connected(self) -> Client:
        with self._guard:
            if self._client is None or not self._client.alive:
                if self._client is not None:
                    self._client.close()
                self._client = None
                self._client = self._with_lock(self._connect())
            return self._client

    def _with_lock(self, client: Client) -> Client:
        if self._held is not None:
            name, wait_s = self._held
            try:
                self._take(client, name, self._next_fence(name), wait_s)
            except BaseException:
                client.close()  # a connection without the lock is of no use
                raise
        return client

    def _take(self, client: Client, name: str, fence: int, wait_s: float) -> None:
        args = {"name": name, "fence": fence, "wait_s": wait_s, "owner": self._owner}
        client.call("lock", args, deadline_s=wait_s + 120.0)
