"""The target of a run: one session a process, and the lock for the time in which it is changed."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from autoloop.agent.session import Session
from autoloop.core.app import AppSpec
from autoloop.core.work import Work
from autoloop.ledger.store import Ledger
from autoloop.settings import settings
from blocks.app import App
from tasks.busy import changing

_sessions: dict[tuple[str, str], Session] = {}
_guard = threading.Lock()


@cache
def ledger() -> Ledger:
    """The ledger of this process."""
    return Ledger(settings().database_url)


@cache
def app_block(name: str) -> App:
    """The application's block, read once a process (a run is a process)."""
    block = App.load(name)
    assert isinstance(block, App)
    return block


def spec_of(work: Work) -> AppSpec:
    """The application that *work* is about."""
    return app_block(work.app).spec


def session_of(work: Work) -> Session:
    """The session of this run with its target, opened at the first use."""
    with _guard:
        key = (work.app, work.id)
        if key not in _sessions:
            host = app_block(work.app).host
            _sessions[key] = Session(host.connect, ledger().next_fence, owner=work.id)
        return _sessions[key]


@contextmanager
def working_on(work: Work) -> Iterator[Session]:
    """Close the session at the end of a flow, however it ends."""
    try:
        yield session_of(work)
    finally:
        with _guard:
            session = _sessions.pop((work.app, work.id), None)
        if session is not None:
            session.close()


@contextmanager
def writing(work: Work) -> Iterator[Session]:
    """Be the only writer of the target. The lock lives there and dies with the connection."""
    session, name = session_of(work), work.app
    session.lock(name, ledger().next_fence(name), settings().lock_wait_s)
    try:
        with changing(name):
            yield session
    finally:
        session.unlock(name)
