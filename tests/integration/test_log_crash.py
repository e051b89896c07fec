"""The log reader is killed at random moments while its log is written and rotated."""

import gzip
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger

pytestmark = pytest.mark.integration

READER = """
import sys
from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger
from autoloop.logs.reader import Here, Keeper
path, ledger = sys.argv[1:]
rows = [{"kind": "file", "path": path, "from_start": True}]
Here(rows, Keeper(Logbook(Ledger(ledger)), "files")).run()
"""


class Reader:
    """A reader in a process of its own, that can be killed and started again."""

    def __init__(self, path: Path, ledger: str) -> None:
        self.argv = [sys.executable, "-c", READER, str(path), ledger]
        self.kills = -1
        self.process: subprocess.Popen[bytes] | None = None
        self.again()

    def again(self) -> None:
        self.end()
        self.kills += 1
        self.process = subprocess.Popen(self.argv)

    def end(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


class Writer:
    """Writes lines that are all different, in pieces, with calm ones between; some have a trace."""

    def __init__(self, path: Path, chance: random.Random) -> None:
        self.path, self.chance, self.number = path, chance, 0
        self.unsafe: set[str] = set()
        self.handle = path.open("ab", buffering=0)

    def lines(self, count: int) -> list[str]:
        """The marks of the lines written."""
        written = []
        for _ in range(count):
            word = "".join("ghjkmnpqrs"[int(digit)] for digit in str(self.number))
            self.number += 1
            line = f"2026-03-03 10:00:00 ERROR order {word} failed\n"
            if self.chance.random() < 0.2:
                line += f"  because of {self.number}\n  and more\n"
            if self.chance.random() < 0.3:
                line = f"2026-03-03 10:00:00 INFO calm {self.number}\n" + line
            data = line.encode()
            cut = self.chance.randrange(1, len(data))
            self.handle.write(data[:cut])
            if self.chance.random() < 0.05:
                time.sleep(0.002)
            self.handle.write(data[cut:])
            written.append(word)
        return written

    def rename(self) -> None:
        self.shift()
        self.path.rename(f"{self.path}.1")
        self.lines(self.chance.randrange(3))  # its writer has not noticed yet
        self.handle.close()
        self.handle = self.path.open("ab", buffering=0)

    def truncate(self) -> None:
        self.shift()
        shutil.copyfile(self.path, f"{self.path}.1")
        self.unsafe.update(self.lines(self.chance.randrange(3)))  # these are in no copy
        os.truncate(self.path, 0)

    def shift(self) -> None:
        """The older ones get the next number; from the third on they are packed."""
        for number in range(60, 0, -1):
            for ending in ("", ".gz"):
                old = Path(f"{self.path}.{number}{ending}")
                if old.exists():
                    old.rename(f"{self.path}.{number + 1}{ending}")
        third = Path(f"{self.path}.3")
        if third.exists():
            with gzip.open(f"{third}.gz", "wb") as out:
                out.write(third.read_bytes())
            at = third.stat().st_mtime_ns
            os.utime(f"{third}.gz", ns=(at, at))  # as gzip does
            third.unlink()


def crash(tmp_path: Path, how: str, rotations: int, seed: int) -> tuple[set[str], int, Writer, int]:
    """Lost lines, duplicates, the writer, and how often the reader was killed."""
    chance = random.Random(seed)
    path, url = tmp_path / "shop.log", f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger(url)
    writer = Writer(path, chance)
    reader = Reader(path, url)
    try:
        wait_for(lambda: Logbook(ledger).states("files"), 60)  # it has opened the file
        for _ in range(rotations):
            for _ in range(chance.randrange(1, 6)):
                writer.lines(chance.randrange(1, 12))
                time.sleep(chance.random() * 0.08)
            if chance.random() < 0.6:
                reader.again()
                time.sleep(chance.choice([0, 0.3, 0.8, 1.3]))
            writer.rename() if how == "rename" else writer.truncate()
        writer.lines(3)
        wait_for(lambda: counts(ledger).get(last(writer)), 60)
        time.sleep(1.5)
    finally:
        reader.end()
        writer.handle.close()
    seen = counts(ledger)
    words = {word_of(number) for number in range(writer.number)}
    return words - seen.keys(), sum(n - 1 for n in seen.values()), writer, reader.kills


def word_of(number: int) -> str:
    return "".join("ghjkmnpqrs"[int(digit)] for digit in str(number))


def last(writer: Writer) -> str:
    return word_of(writer.number - 1)


def counts(ledger: Ledger) -> dict[str, int]:
    """How often each line was counted, by its mark."""
    rows = Logbook(ledger).found("files", 100_000)
    return {row["text"].split("order ")[1].split()[0]: row["count"] for row in rows}


def wait_for(what, seconds: float) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


def test_renamed_under_kills_nothing_is_lost_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    """Also when it was killed while files were renamed and packed."""
    lost, twice, _, kills = crash(tmp_path, "rename", 6, seed=1)
    assert (lost, twice) == (set(), 0)
    assert kills >= 2


def test_truncated_under_kills_only_what_no_copy_holds_is_lost(tmp_path: Path) -> None:
    """What was written after the copy and before the truncation is in no file any more."""
    lost, twice, writer, _ = crash(tmp_path, "copytruncate", 6, seed=2)
    assert twice == 0
    assert lost <= writer.unsafe


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_thirty_renames(tmp_path: Path, seed: int) -> None:
    """The same for longer, with other moments."""
    lost, twice, _, kills = crash(tmp_path, "rename", 30, seed)
    assert (lost, twice) == (set(), 0)
    assert kills >= 8


@pytest.mark.slow
@pytest.mark.parametrize("seed", [21, 22, 23])
def test_thirty_truncations(tmp_path: Path, seed: int) -> None:
    """The share that is lost is printed: it is what the writer wrote in the gap."""
    lost, twice, writer, kills = crash(tmp_path, "copytruncate", 30, seed)
    print(f"{len(lost)} of {writer.number} lost, {len(writer.unsafe)} in gaps, {kills} kills")
    assert twice == 0
    assert lost <= writer.unsafe
