"""A reader on a host that is closed while something is on its way."""

import json
import struct

import pytest

from autoloop.core.errors import AgentLost
from autoloop.logs.remote import Far


class Closing:
    """A channel that has one finding, and is closed before its receipt can be sent."""

    place = "web1"

    def __init__(self) -> None:
        rows = {"kind": "found", "rows": [], "states": {}}
        data = json.dumps(rows).encode()
        self._held = struct.pack(">II", len(data), 0) + data
        self.closed = False

    def write(self, data: bytes) -> None:
        if self.closed:
            raise AgentLost(self.place, "connection lost", "connect again")

    def read(self, size: int) -> bytes:
        data, self._held = self._held[:size], self._held[size:]
        return data

    def close(self) -> None:
        self.closed = True


def test_one_that_we_close_ends_quietly() -> None:
    """Also when it was about to say that a finding is kept."""
    channel = Closing()
    far = Far(channel, lambda rows, states: far.close())
    far.run([], {})
    assert channel.closed


def test_one_that_is_lost_says_so() -> None:
    """It is connected again."""
    channel = Closing()
    far = Far(channel, lambda rows, states: channel.close())
    with pytest.raises(AgentLost):
        far.run([], {})
