"""Watching logs here or on a host, and keeping what is found."""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from autoloop.agent.channel import Channel
from autoloop.core.app import AppSpec
from autoloop.core.errors import NotSettled
from autoloop.ledger.logbook import Kept, Logbook
from autoloop.logs.engines import engine
from autoloop.logs.findings import Finding, Understanding
from autoloop.logs.remote import Far, program, tell_missing
from autoloop.logs.target.fold import Folded
from autoloop.logs.target.sources import sources_of
from autoloop.logs.target.watch import Watch

Told = Callable[[Finding, int], None]
"""Called with each finding and how often its fingerprint came in all."""


def sources_for(spec: AppSpec) -> list[dict[str, Any]]:
    """The logs of an application, as a reader is asked for them."""
    files = dict.fromkeys(path for part in spec.components for path in part.logs)
    rows: list[dict[str, Any]] = [{"kind": "file", "path": path} for path in files]
    units = [part.unit for part in spec.components if part.manager == "systemd"]
    if spec.watch.journal and units:
        rows.append({"kind": "journal", "units": sorted(set(units))})
    rows += [{"kind": "container", "name": name} for name in spec.watch.containers]
    return rows if spec.watch.logs else []


class Keeper:
    """Keeps what is found in the logs of *owner*, together with how far they were read."""

    def __init__(
        self,
        logbook: Logbook,
        owner: str,
        told: Told = lambda _finding, _total: None,
        may_hand_in: Callable[[], bool] = lambda: True,
    ) -> None:
        self._logbook, self._owner = logbook, owner
        self._told, self._may_hand_in = told, may_hand_in
        self._understanding = Understanding()

    def deliver(self, rows: list[Folded], states: dict[str, Any]) -> Kept:
        """Understand, redact and keep; only then is more read."""
        findings = self._understanding.findings(rows)
        hand_in = bool(findings) and self._may_hand_in()
        kept = self._logbook.keep(self._owner, findings, states, hand_in)
        for finding in findings:
            self._told(finding, kept.totals[finding.fingerprint])
        return kept

    def foresee(self, text: bytes) -> None:
        """Understand a record that is most likely whole, so that `deliver` need not."""
        self._understanding.understood(text)

    def states(self) -> dict[str, Any]:
        """How far each log was read."""
        return self._logbook.states(self._owner)


class Here:
    """A reader in this process, with the quickest engine there is."""

    def __init__(
        self, sources: Sequence[Mapping[str, Any]], keeper: Keeper, more: Sequence[Any] = ()
    ) -> None:
        self.going = True
        made = sources_of([dict(row) for row in sources], keeper.states())
        self.watch = Watch(
            [*made, *more],
            engine(),
            keeper.deliver,
            foresee=keeper.foresee,
            tell=partial(tell_missing, "here"),
        )

    def run(self) -> None:
        """Until `close`."""
        try:
            self.watch.run(lambda: self.going)
        finally:
            self.watch.close()

    def once(self) -> None:
        """What is there now."""
        try:
            self.watch.once()
        finally:
            self.watch.close()

    def close(self) -> None:
        """End `run` within a second."""
        self.going = False


class There:
    """A reader on a host, reached by *connect*."""

    def __init__(
        self,
        sources: Sequence[Mapping[str, Any]],
        keeper: Keeper,
        connect: Callable[[bytes], Channel],
    ) -> None:
        self._sources, self._states = sources, keeper.states
        self._far = Far(connect(program()), keeper.deliver)

    def run(self) -> None:
        """Until `close`; see `Far.run`."""
        self._far.run(self._sources, self._states())

    def close(self) -> None:
        """End `run`."""
        self._far.close()


@contextmanager
def only_reader(home: Path, owner: str) -> Iterator[None]:
    """Be the only reader of the logs of *owner*: two would count everything twice.

    Raises:
        NotSettled: another process reads them.
    """
    folder = home / "watching"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / f"{owner}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        what = "are being watched by another process"
        raise NotSettled(f"logs of '{owner}'", what, "stop it, or read what it finds") from None
    finally:
        os.close(handle)
