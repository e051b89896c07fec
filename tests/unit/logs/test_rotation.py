"""A log is rotated between any two system calls of its reader, which is killed at any of them.

The rotation is cut into its steps: names that shift one by one, an archive that is written in
pieces, a copy that is made in pieces. Chance decides, from a seed, how many of them happen before
the next call of the reader.
"""

import gzip
import json
import os
import random
import types
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.logs.target import files, folder
from autoloop.logs.target.files import Log
from autoloop.logs.target.scan import Words

ENGINE = Words()
CALLS = ("listdir", "stat", "fstat", "open", "read", "pread")
PACKED_FROM = 3


class Killed(BaseException):
    """The reader ends here, with what it has not kept."""


class World:
    """A folder with a log, its writer, who rotates it, and a clock."""

    def __init__(self, folder: Path, how: str, rotations: int, seed: int) -> None:
        self.chance, self.path, self.now = random.Random(seed), folder / "shop.log", 1000.0
        self.number, self.gap = 0, set[str]()
        self.handle = self.path.open("ab", buffering=0)
        self.steps = self._all(how, rotations)
        self.over = self.calm = False
        self.opened: list[Any] = []
        self.before_open: Callable[[], None] = lambda: None
        self.deadly = 0.0

    def tick(self) -> None:
        """Called before each system call of the reader."""
        if self.calm:
            return
        if self.chance.random() < self.deadly:
            raise Killed
        if self.chance.random() < 0.3:
            for _ in range(self.chance.choice([1, 1, 1, 2, 5, 30])):
                self.step()

    def step(self) -> None:
        """One step of the writer or of a rotation."""
        done = next(self.steps, None)
        if done != "half":  # a writer does not stop inside a line
            self.now += self.chance.choice([0.0, 0.001, 0.01, 0.3])
        self.over = done is None

    def write(self, handle: Any = None) -> Iterator[str]:
        """One record with a word of its own, in two pieces."""
        word = word_of(self.number)
        self.number += 1
        line = f"10:00:00 ERROR order {word} failed\n".encode()
        if self.chance.random() < 0.2:
            line += b"  because of it\n"
        cut = self.chance.randrange(1, len(line))
        (handle or self.handle).write(line[:cut])
        yield "half"
        (handle or self.handle).write(line[cut:])
        yield word

    def _all(self, how: str, rotations: int) -> Iterator[str]:
        for _ in range(rotations):
            for _ in range(self.chance.randrange(0, 6)):
                yield from self.write()
            yield from self._shift()
            yield from self._rename() if how == "rename" else self._truncate()
        for _ in range(3):
            yield from self.write()

    def _shift(self) -> Iterator[str]:
        for number in range(40, 0, -1):
            for ending in ("", ".gz"):
                old = Path(f"{self.path}.{number}{ending}")
                if old.exists():
                    old.rename(f"{self.path}.{number + 1}{ending}")
                    yield "shifted"
        full = Path(f"{self.path}.{PACKED_FROM}")
        if full.exists():
            yield from self.pack(full)

    def pack(self, full: Path) -> Iterator[str]:
        """As gzip does: another file with the same time, then the first is gone."""
        packed, out = gzip.compress(full.read_bytes()), Path(f"{full}.gz")
        with out.open("wb", buffering=0) as archive:
            yield "made"
            for cut in range(0, len(packed), 1 + len(packed) // 3):
                archive.write(packed[cut : cut + 1 + len(packed) // 3])
                yield "packing"
        at = full.stat().st_mtime_ns
        os.utime(out, ns=(at, at))
        yield "packed"
        full.unlink()
        yield "gone"

    def _rename(self) -> Iterator[str]:
        self.path.rename(f"{self.path}.1")
        yield "renamed"
        for _ in range(self.chance.randrange(3)):
            yield from self.write()  # its writer has not noticed yet
        if self.chance.random() < 0.5:
            self.handle.close()
            self.handle = self.path.open("ab", buffering=0)
            yield "new"
            return
        old, self.handle = self.handle, self.path.open("ab", buffering=0)
        yield from self.write(old)
        old.close()

    def _truncate(self) -> Iterator[str]:
        data, copy = self.path.read_bytes(), Path(f"{self.path}.1")
        with copy.open("wb", buffering=0) as out:
            yield "made"
            for cut in range(0, len(data), 1 + len(data) // 3):
                out.write(data[cut : cut + 1 + len(data) // 3])
                yield "copying"
        for _ in range(self.chance.randrange(3)):
            self.gap.add(word_of(self.number))
            yield from self.write()
        yield "copied"
        os.truncate(self.path, 0)
        yield "truncated"


def word_of(number: int) -> str:
    return "".join("ghjkmnpqrs"[int(digit)] for digit in f"{number:02d}")


class Reading:
    """A reader that keeps what it found together with how far it read, as the ledger does."""

    def __init__(self, world: World) -> None:
        self.world, self.kept, self.state = world, Counter[str](), None
        self.log: Log | None = None
        self.starts = 0

    def life(self, rounds: int) -> None:
        """Begin where it ended, and read so often, or until it is killed."""
        self.starts += 1
        try:
            self.log = Log(str(self.world.path), self.state)
            for _ in range(rounds):
                self.round()
        except Killed:
            self.end()

    def end(self) -> None:
        """As the system does with the files of who is killed."""
        while self.world.opened:
            self.world.opened.pop().close()

    def round(self) -> None:
        """Look, read, and keep what was found."""
        assert self.log is not None
        self.log.refresh()
        found: Counter[str] = Counter()
        while (step := self.log.step(ENGINE)) is not None:
            for first, last in step.spans:
                found[step.data[first:last].split(b"order ")[1].split()[0].decode()] += 1
            if not self.world.calm and self.world.chance.random() < 0.2:
                break  # it is another log's turn
        self.world.tick()
        self.kept += found  # from here to the next line there is one transaction
        self.state = json.loads(json.dumps(self.log.state()))


@pytest.fixture
def world_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., World]:
    """Makes the world into which all system calls of the reader go."""

    def make(how: str, rotations: int, seed: int) -> World:
        place = tmp_path / str(seed)
        place.mkdir()
        world = World(place, how, rotations, seed)

        def watched(call: Any) -> Any:
            def ticking(*args: Any, **options: Any) -> Any:
                world.tick()
                if call is open:
                    world.before_open()
                told = call(*args, **options)
                if call is open:
                    world.opened.append(told)
                return told

            return ticking

        calls = types.SimpleNamespace(**vars(os))
        for name in CALLS:
            setattr(calls, name, watched(getattr(os, name)))
        clock = types.SimpleNamespace(monotonic=lambda: world.now)
        for module in (files, folder):
            monkeypatch.setattr(module, "os", calls)
            monkeypatch.setattr(module, "open", watched(open), raising=False)
        monkeypatch.setattr(files, "time", clock)
        return world

    return make


def played(world: World) -> tuple[set[str], dict[str, int], Reading]:
    """Lost words, words counted twice, and the reader."""
    reading = Reading(world)
    world.calm = True
    reading.life(1)  # it has opened the file
    world.calm = False
    while not world.over:
        world.deadly = 0.01
        reading.life(world.chance.randrange(1, 40))
        reading.end()
        for _ in range(world.chance.choice([0, 0, 5, 100])):  # nobody reads
            world.step()
    world.calm = True
    for _ in range(4):
        reading.life(1)
        for _ in range(6):
            world.now += 0.9
            reading.round()
        reading.end()
    world.handle.close()
    words = {word_of(number) for number in range(world.number)}
    twice = {word: count for word, count in reading.kept.items() if count > 1}
    return words - reading.kept.keys(), twice, reading


@pytest.mark.parametrize("seed", range(40))
def test_renamed_nothing_is_lost_and_nothing_counted_twice(
    world_of: Callable[..., World], seed: int
) -> None:
    """Whatever was renamed or packed between two calls, wherever the reader was killed."""
    lost, twice, _ = played(world_of("rename", 8, seed))
    assert (lost, twice) == (set(), {})


@pytest.mark.parametrize("seed", range(40))
def test_truncated_only_what_no_copy_holds_is_lost(
    world_of: Callable[..., World], seed: int
) -> None:
    """What was written between the copy and the truncation is in no file any more."""
    world = world_of("copytruncate", 8, seed)
    lost, twice, _ = played(world)
    assert twice == {}
    assert lost <= world.gap


def test_a_file_that_is_renamed_before_it_is_opened_is_not_taken_for_another(
    world_of: Callable[..., World],
) -> None:
    """Its number was seen at a path that leads to another file a moment later."""
    world = world_of("rename", 0, seed=0)
    world.calm = True
    world.handle.write(error("one"))
    reading = Reading(world)
    reading.life(1)
    reading.end()

    def rename() -> None:
        if not Path(f"{world.path}.1").exists():
            world.path.rename(f"{world.path}.1")
            world.path.write_bytes(error("two"))

    world.before_open = rename
    reading.life(3)
    reading.end()
    reading.life(3)
    reading.end()
    world.handle.close()
    assert reading.kept == {"one": 1, "two": 1}


def test_a_file_that_was_empty_when_it_was_opened_is_known_again_when_it_is_packed(
    world_of: Callable[..., World],
) -> None:
    """It is known by what was read of it, not by what it held when it was looked at."""
    world = world_of("rename", 0, seed=0)
    world.calm = True
    reading = Reading(world)
    reading.life(1)
    assert reading.log is not None
    world.handle.write(error("one"))
    world.path.rename(f"{world.path}.1")
    world.path.touch()
    reading.round()
    list(world.pack(Path(f"{world.path}.1")))
    world.now += 60.0
    for _ in range(3):
        reading.round()
    reading.end()
    reading.life(3)
    reading.end()
    world.handle.close()
    assert reading.kept == {"one": 1}


def test_a_new_file_with_the_number_of_one_that_is_gone_is_read(
    world_of: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Disks use numbers again, at once."""
    monkeypatch.setattr(files, "number_of", lambda found: "1")
    monkeypatch.setattr(folder, "number_of", lambda found: "1")
    world = world_of("rename", 0, seed=0)
    world.calm = True
    world.handle.write(error("one"))
    reading = Reading(world)
    reading.life(1)
    reading.end()
    world.path.unlink()
    world.path.write_bytes(error("two") + error("three"))
    reading.life(1)
    reading.end()
    world.handle.close()
    assert reading.kept == {"one": 1, "two": 1, "three": 1}


def error(word: str) -> bytes:
    """A record."""
    return f"10:00:00 ERROR order {word} failed\n10:00:00 INFO calm\n".encode()
