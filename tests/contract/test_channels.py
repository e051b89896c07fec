"""Channels and locks on this machine; the same over SSH is among the tests on hosts."""

import itertools
import json
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.channel import Channel, open_channel
from autoloop.agent.client import Client
from autoloop.agent.session import Session
from autoloop.core.app import HostSpec
from autoloop.core.errors import AgentLost, StaleFence, TargetBusy
from autoloop.core.target import RunCommand

TRUE = RunCommand(argv=("true",))


@pytest.fixture
def channel() -> Iterator[Channel]:
    """A new agent, without a client."""
    made = open_channel(HostSpec())
    yield made
    made.close()


def send(channel: Channel, **head: Any) -> None:
    """One frame without a body."""
    data = json.dumps(head).encode()
    channel.write(struct.pack(">II", len(data), 0) + data)


def receive(channel: Channel) -> Any:
    """The head of one frame."""
    head, body = struct.unpack(">II", channel.read(8))
    found = json.loads(channel.read(head))
    channel.read(body)
    return found


def test_frames_of_a_conversation(channel: Channel, tmp_path: Path) -> None:
    """Greeting, hello, a call with its number, an error with its name."""
    assert receive(channel)["kind"] == "hello"
    send(channel, kind="call", id=1, op="ping", args={})
    assert receive(channel) == {"kind": "result", "id": 1, "value": {}}
    send(channel, kind="call", id=2, op="batch", args={"reads": []})
    refused = receive(channel)
    assert (refused["kind"], refused["error"]["error"]) == ("error", "AgentRefused")
    hello = {"protocols": [1], "state_dir": str(tmp_path / "state")}
    send(channel, kind="call", id=3, op="hello", args=hello)
    assert receive(channel)["value"]["protocol"] == 1


def test_a_closed_channel_says_so(channel: Channel) -> None:
    """Twice closed is closed; writing is AgentLost."""
    channel.close()
    channel.close()
    with pytest.raises(AgentLost):
        channel.write(b"x" * 1000)


# ---- locks

Open = Callable[[str], Session]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Open]:
    """Sessions with agents of their own on one state folder, and one row of numbers."""
    opened: list[Session] = []
    fences = itertools.count(10)

    def make(owner: str) -> Session:
        connect = lambda: Client(open_channel(HostSpec()), str(tmp_path / "state"))  # noqa: E731
        opened.append(Session(connect, lambda _: next(fences), owner))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def test_the_second_writer_waits_for_the_first(session: Open) -> None:
    """And is let in when that one is done."""
    first, second = session("one"), session("two")
    first.lock("app", 1, 1)
    threading.Timer(0.4, first.unlock, ["app"]).start()
    second.lock("app", 2, 10)
    assert second.do("two/1", TRUE).outcome == "done"


def test_the_second_writer_does_not_wait_for_ever(session: Open) -> None:
    """TargetBusy; the first is not disturbed; another application is free."""
    first, second = session("one"), session("two")
    first.lock("app", 1, 1)
    with pytest.raises(TargetBusy):
        second.lock("app", 2, 0.3)
    assert first.do("one/1", TRUE).outcome == "done"
    second.lock("other", 1, 0.3)


def test_a_number_that_is_too_late_is_refused(session: Open) -> None:
    """Even when nobody holds the lock now."""
    first, second = session("one"), session("two")
    first.lock("app", 5, 1)
    first.close()
    with pytest.raises(StaleFence):
        second.lock("app", 4, 1)


def test_a_writer_that_was_overtaken_changes_nothing(session: Open, tmp_path: Path) -> None:
    """Its number is looked at in every change."""
    first = session("one")
    first.lock("app", 5, 1)
    (tmp_path / "state" / "locks" / "app").write_text(f"{6:<32d}")
    with pytest.raises(StaleFence):
        first.do("one/1", TRUE)
    assert first.outcome("one/1").outcome == "not done"
