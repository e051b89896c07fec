"""Engines that look for marks in a block: Hyperscan, RE2 or the standard library.

All give the same lines. The quickest that is installed is used: the extra ``hyperscan``, the extra
``fast``, or none. `tests/unit/logs/test_engines.py` holds them against each other.
"""

import importlib
import os
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Protocol

from autoloop.core.errors import BadRequest
from autoloop.logs.target.marks import MARKS
from autoloop.logs.target.scan import Words


class Engine(Protocol):
    """Looks for marks."""

    name: str

    def hits(self, block: bytes, start: int = 0, end: int | None = None) -> list[int]:
        """Places in *block* from *start* to *end*, ascending.

        At least one in each line with a mark, none in others; both ends are those of lines.
        """
        ...


class Hyperscan:
    """An automaton for all marks at once, with the machine's vector instructions."""

    name = "hyperscan"

    def __init__(self, marks: Iterable[bytes] = MARKS) -> None:
        hyperscan: Any = importlib.import_module("hyperscan")
        rows = [_spelled(mark) for mark in marks]
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=rows, ids=[0] * len(rows), elements=len(rows), flags=[0] * len(rows)
        )

    def hits(self, block: bytes, start: int = 0, end: int | None = None) -> list[int]:
        """Places in *block*; the last byte of each mark."""
        found: list[int] = []
        add, before = found.append, start - 1

        def hit(_mark: int, _start: int, last: int, _flags: int, _context: object) -> None:
            add(before + last)

        self._database.scan(memoryview(block)[start:end], match_event_handler=hit)
        return found


HALVED = 128 << 10
"""Bytes of a block from which on it is worth a second thread."""


class Re2:
    """One automaton, linear in time; goes on after the line of each place.

    Large blocks, as they come while a log is caught up with, are searched by two threads, a half
    each: RE2 lets go of the interpreter meanwhile.
    """

    name = "re2"

    def __init__(self, marks: Iterable[bytes] = MARKS, cores: int = 0) -> None:
        re2: Any = importlib.import_module("re2")
        options = re2.Options()
        options.encoding = re2.Options.Encoding.LATIN1
        options.never_capture = True
        options.max_mem = 64 << 20
        self._search = re2.compile(b"|".join(_spelled(mark) for mark in marks), options).search
        self._cores, self._made_in = cores or len(os.sched_getaffinity(0)), 0

    def hits(self, block: bytes, start: int = 0, end: int | None = None) -> list[int]:
        """Places in *block*; the first byte of the first mark of each line."""
        end = len(block) if end is None else end
        middle = block.find(b"\n", (start + end) // 2, end)
        if self._cores == 1 or end - start < HALVED or middle < 0:
            return self._places(block, start, end)
        rest = self._second().submit(self._places, block, middle, end)
        return self._places(block, start, middle) + rest.result()

    def _second(self) -> ThreadPoolExecutor:
        """The second thread; a process that was forked has none, and makes its own."""
        if self._made_in != os.getpid():
            self._made_in, self._pool = os.getpid(), ThreadPoolExecutor(1, "marks")
        return self._pool

    def _places(self, block: bytes, start: int, end: int) -> list[int]:
        found: list[int] = []
        place = self._search(block, start, end)
        while place:
            found.append(place.start())
            line = block.find(b"\n", place.start(), end)
            if line < 0:
                break
            place = self._search(block, line, end)
        return found


def _spelled(mark: bytes) -> bytes:
    """A pattern for *mark* in which only ASCII letters have two cases, whatever the engine."""
    return b"".join(
        b"[%c%c]" % (letter, letter - 32) if 97 <= letter <= 122 else _escaped(letter)
        for letter in mark
    )


def _escaped(letter: int) -> bytes:
    return b"\\x%02x" % letter if letter > 127 else re.escape(bytes([letter]))


ENGINES: dict[str, Callable[[], Engine]] = {"hyperscan": Hyperscan, "re2": Re2, "standard": Words}


@cache
def engine(name: str = "") -> Engine:
    """The engine called *name*, or the quickest that is installed.

    Raises:
        BadRequest: there is no such engine, or its package is not installed.
    """
    for each in [name] if name else ENGINES:
        try:
            return ENGINES[each]()
        except (ImportError, KeyError):
            continue
    known = ", ".join(ENGINES)
    raise BadRequest("engine", f"'{name}' is not installed", f"one of {known}; see the extras")
