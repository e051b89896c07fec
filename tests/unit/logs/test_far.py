"""A reader on a host that is closed while something is on its way."""

import json
import random
import struct

import pytest

from autoloop.core.errors import AgentLost
from autoloop.logs.remote import HEAD_LIMIT, Far
from autoloop.logs.target.files import BLOCK, Found
from autoloop.logs.target.fold import Fold
from autoloop.logs.target.records import spans
from autoloop.logs.target.scan import Words
from autoloop.logs.target.serve import row_of


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


def strange_block(chance: random.Random, length: int) -> bytes:
    """Short errors that are all different, in a writing that is no UTF-8."""
    text = bytearray()
    while len(text) < length:
        text += b"error %b\n" % bytes(chance.randrange(0x81, 0xFE) for _ in range(12))
    return bytes(text)


@pytest.mark.parametrize("blocks", [1, 40])
def test_what_a_full_fold_holds_fits_into_a_frame(blocks: int) -> None:
    """Else the same frame would be refused again and again, and nothing read any more."""
    chance, fold = random.Random(3), Fold()
    for _ in range(blocks):
        data = strange_block(chance, BLOCK)
        hits = Words().hits(data)
        fold.add("a", Found(data, spans(data, 0, len(data), hits), len(data), 0))
        if fold.full:
            break
    rows = fold.take()
    assert len(rows) > 5_000
    assert len(json.dumps([row_of(row) for row in rows])) < HEAD_LIMIT
