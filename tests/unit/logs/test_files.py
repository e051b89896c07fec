"""What was not read yet, once each: files that grow, are renamed, truncated and packed."""

import gzip
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.logs.target import journal as journal_module
from autoloop.logs.target.containers import Container, Named, unwrapped
from autoloop.logs.target.files import GONE, KNOWN, LINE, Found, Log, Reader
from autoloop.logs.target.globs import Files
from autoloop.logs.target.journal import Journal
from autoloop.logs.target.scan import Words
from autoloop.logs.target.sources import sources_of

ENGINE = Words()


def error(word: str) -> bytes:
    """A line with a mark and a word of its own."""
    return f"10:00:00 ERROR order {word}\n".encode()


def texts_of(found: Found) -> list[str]:
    return [found.data[first:last].decode("utf-8", "replace") for first, last in found.spans]


OPEN: list[Any] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


class Tail:
    """A reader of one log that can be ended and started again."""

    def __init__(self, path: Path, reader: Any = Reader) -> None:
        self.path, self.reader = path, reader
        self.log = Log(str(path), reader=reader)
        OPEN.append(self)

    def close(self) -> None:
        self.log.close()

    def read(self) -> list[str]:
        """The words of the records that are new."""
        self.log.refresh()
        return [text.split("order ")[1].split()[0] for text in self.texts()]

    def texts(self) -> list[str]:
        found = []
        while (step := self.log.step(ENGINE, final=True)) is not None:
            found += [
                step.data[first:last].decode("utf-8", "replace") for first, last in step.spans
            ]
        return found

    def again(self) -> None:
        """As after a crash: with what was remembered, through JSON."""
        state = json.loads(json.dumps(self.log.state()))
        self.log.close()
        self.log = Log(str(self.path), state, reader=self.reader)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with one error."""
    path = tmp_path / "shop.log"
    path.write_bytes(error("one") + b"10:00:01 INFO fine\n")
    return path


def append(path: Path, *words: str) -> None:
    with path.open("ab") as out:
        out.write(b"".join(error(word) for word in words))


def pack(path: Path) -> None:
    """As ``gzip`` does: another file with the same time, then the first is gone."""
    with gzip.open(f"{path}.gz", "wb") as out:
        out.write(path.read_bytes())
    at = path.stat().st_mtime_ns
    os.utime(f"{path}.gz", ns=(at, at))
    path.unlink()


@pytest.mark.parametrize("crash", [False, True])
def test_only_what_is_new_is_read(path: Path, crash: bool) -> None:
    """Also by a reader that was started again."""
    tail = Tail(path)
    assert tail.read() == ["one"]
    append(path, "two", "three")
    if crash:
        tail.again()
    assert tail.read() == ["two", "three"]
    assert tail.read() == []


def test_a_line_counts_when_it_is_whole(path: Path) -> None:
    """What has no newline yet is read later."""
    tail = Tail(path)
    tail.read()
    with path.open("ab") as out:
        out.write(error("two")[:-5])
    assert tail.read() == []
    with path.open("ab") as out:
        out.write(error("two")[-5:])
    assert tail.read() == ["two"]


@pytest.mark.parametrize("crash", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_what_a_renamed_file_still_held_is_read(path: Path, crash: bool, packed: bool) -> None:
    """Then the new file, from its beginning; nothing twice."""
    tail = Tail(path)
    assert tail.read() == ["one"]
    append(path, "two")
    if crash:
        tail.log.close()
    path.rename(f"{path}.1")
    append(Path(f"{path}.1"), "late")
    append(path, "three")
    if packed and crash:
        pack(Path(f"{path}.1"))
    if crash:
        tail.again()
    assert tail.read() == ["two", "late", "three"]
    assert tail.read() == []
    tail.again()
    assert tail.read() == []


def test_files_that_came_and_went_meanwhile_are_read_the_oldest_first(path: Path) -> None:
    """Three rotations while the reader was down."""
    tail = Tail(path)
    tail.read()
    tail.log.close()
    for number, word in enumerate(("two", "three", "four")):
        append(path, word)
        for older in (2, 1):
            if Path(f"{path}.{older}").exists():
                Path(f"{path}.{older}").rename(f"{path}.{older + 1}")
        path.rename(f"{path}.1")
        os.utime(f"{path}.1", (1000 + number, 1000 + number))
        path.touch()
    pack(Path(f"{path}.3"))
    append(path, "five")
    tail.again()
    assert tail.read() == ["two", "three", "four", "five"]


@pytest.mark.parametrize("crash", [False, True])
def test_a_truncated_file_goes_on_in_its_copy(path: Path, crash: bool) -> None:
    """What was not read before the truncation is in the copy."""
    tail = Tail(path)
    assert tail.read() == ["one"]
    append(path, "two")
    shutil.copyfile(path, f"{path}.1")
    os.truncate(path, 0)
    append(path, "three")
    if crash:
        tail.again()
    assert sorted(tail.read()) == ["three", "two"]
    assert tail.read() == []


def test_a_truncated_file_that_has_grown_beyond_the_place_is_noticed(path: Path) -> None:
    """Its size says nothing then; its beginning does."""
    tail = Tail(path)
    assert tail.read() == ["one"]
    os.truncate(path, 0)
    append(path, *[f"new{n}" for n in range(40)])
    assert tail.read() == [f"new{n}" for n in range(40)]


def test_a_copy_that_is_made_is_not_read(path: Path) -> None:
    """Neither before its file is truncated, nor of a file that stays."""
    tail = Tail(path)
    assert tail.read() == ["one"]
    shutil.copyfile(path, f"{path}.1")
    assert tail.read() == []
    tail.again()
    assert tail.read() == []


def test_a_first_time_does_not_read_what_was_rotated_before(path: Path) -> None:
    """And with from_start off, nothing that is there."""
    append(Path(f"{path}.1"), "old")
    with gzip.open(f"{path}.2.gz", "wb") as out:
        out.write(error("older"))
    assert Tail(path).read() == ["one"]
    late = Log(str(path), from_start=False)
    OPEN.append(late)
    assert late.step(ENGINE, final=True) is None
    append(path, "two")
    found = late.step(ENGINE, final=True)
    assert found is not None
    assert len(found.spans) == 1


def test_of_a_year_of_rotated_files_none_is_read_again(path: Path) -> None:
    """More than are remembered; also those that nobody had read are passed over just once."""
    for day in range(300):
        old = Path(f"{path}.{day + 1:03d}")
        append(old, f"day{day}")
        os.utime(old, (10_000 - day, 10_000 - day))
    tail = Tail(path)
    assert tail.read() == ["one"]
    tail.again()
    assert tail.read() == []
    assert len(tail.log.state()["files"]) <= KNOWN + GONE
    path.rename(f"{path}.000")
    append(Path(f"{path}.000"), "two")
    append(path, "three")
    tail.again()
    assert tail.read() == ["two", "three"]


def test_what_a_reader_that_had_found_an_empty_file_left_is_read(path: Path) -> None:
    """It is no first time: what was rotated meanwhile is read."""
    path.write_bytes(b"")
    tail = Tail(path)
    assert tail.read() == []
    append(path, "one")
    path.rename(f"{path}.1")
    append(path, "two")
    tail.again()
    assert tail.read() == ["one", "two"]


def test_a_line_of_any_length_needs_bounded_memory(tmp_path: Path) -> None:
    """Of 50 MB without a newline the beginning is looked at; then it goes on."""
    path = tmp_path / "shop.log"
    with path.open("wb") as out:
        out.write(b"10:00:00 ERROR order long " + b"x" * 1000)
        for _ in range(50):
            out.write(b"error \xff\xfe" * (1 << 17))
        out.write(b"\n" + error("next"))
    tail, most = Tail(path), 0
    words = []
    while (step := tail.log.step(ENGINE, final=True)) is not None:
        most = max(most, len(step.data))
        words += [step.data[a:b].split()[3].decode() for a, b in step.spans]
    assert words == ["long", "next"]
    assert most < LINE + (1 << 20)


def test_bytes_that_are_no_text_are_read(path: Path) -> None:
    """As they are."""
    path.write_bytes(b"\xff\xfe\0 ERROR order \xe9\n")
    assert len(Tail(path).texts()) == 1


def test_a_pattern_takes_in_what_comes_later_and_nothing_rotated(tmp_path: Path) -> None:
    """A rotated file belongs to its log."""
    (tmp_path / "a.log").write_bytes(error("one"))
    (tmp_path / "a.log.1").write_bytes(error("old"))
    files = Files(str(tmp_path / "*.log*"), {}, from_start=False)
    OPEN.append(files)
    (tmp_path / "b.log").write_bytes(error("two"))
    files.refresh()
    assert [Path(name).name for name in files.files()] == ["a.log", "b.log"]
    found = files.next(ENGINE, final=True)
    assert found is not None
    assert found[0] == f"file:{tmp_path}/b.log"


def test_logs_of_containers_are_unwrapped(tmp_path: Path) -> None:
    """Docker's lines of JSON, and the form that other engines write; a trace is one record."""
    rows = [
        "10:00:00 INFO fine\n",
        "10:00:01 ERROR order one\n",
        "Traceback (most recent call last):\n",
        '  File "a.py", line 1, in f\n',
        "ValueError: 不\n",
        "10:00:02 INFO fine\n",
    ]
    path = tmp_path / "json.log"
    path.write_text("".join(json.dumps({"log": row, "stream": "stderr"}) + "\n" for row in rows))
    tail = Tail(path, Container)
    assert tail.texts() == ["".join(rows[1:5])]
    tail.again()
    assert tail.texts() == []
    assert unwrapped(b"2026-03-03T10:00:00.1Z stderr F ERROR x\n") == b"ERROR x\n"
    assert unwrapped(b"2026-03-03T10:00:00.1Z stdout P part\n") == b"part"
    assert unwrapped(b"{broken\n") == b"{broken\n"


def test_entries_of_the_journal_are_put_together_by_process(tmp_path: Path) -> None:
    """A trace that a service wrote line by line; a grave priority needs no mark."""
    entries = [
        ("a", "1", "6", "Traceback (most recent call last):"),
        ("b", "2", "6", "calm"),
        ("a", "1", "6", '  File "a.py", line 1, in f'),
        ("b", "2", "3", "quietly gone"),
        ("a", "1", "6", "ValueError: x"),
        ("a", "1", "6", [69, 114, 114, 111, 114, 255]),
        ("a", "1", "6", None),
    ]
    text = "".join(
        json.dumps({"__CURSOR": f"c{n}", "_SYSTEMD_UNIT": unit, "_PID": pid, "PRIORITY": grave,
                    "MESSAGE": said}) + "\n"
        for n, (unit, pid, grave, said) in enumerate(entries)
    )  # fmt: skip
    program = tmp_path / "journalctl"
    (tmp_path / "entries").write_text(text)
    program.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncat {tmp_path}/entries\n')
    program.chmod(0o755)
    journal = Journal(["a", "b"], {"journal:a,b": {"cursor": "c"}}, (str(program),))
    found = []
    end = time.monotonic() + 30
    while journal.states()["journal:a,b"]["cursor"] != "c6" and time.monotonic() < end:
        while (step := journal.next(ENGINE, final=True)) is not None:
            found += texts_of(step[1])
        time.sleep(0.01)
    journal.close()
    assert found[0].startswith("Traceback")
    assert found[0].endswith("ValueError: x\n")
    assert "quietly gone\n" in found
    assert "--after-cursor=c --unit a --unit b" in (tmp_path / "asked").read_text()


def ended(journal: Journal, times: int) -> list[str]:
    """What it is found to say until it has ended so often."""
    found, end = [], time.monotonic() + 30
    while journal.missing() == {} or journal._ends < times:
        assert time.monotonic() < end, "not in time"
        journal.refresh()
        while (step := journal.next(ENGINE)) is not None:
            found += texts_of(step[1])
        time.sleep(0.002)
    return found


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'No journal files were opened' >&2; exit 3", "exited with code 3 (No journal files"),
        ("kill -9 $$", "was ended by signal 9;"),
        (None, "cannot be started: [Errno 2]"),
    ],
)
def test_a_journalctl_that_keeps_ending_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, said: str
) -> None:
    """Why; later each time; and after the fifth end it is a finding, once."""
    monkeypatch.setattr(journal_module, "AGAIN_S", (0.0, 0.01))
    program = tmp_path / "journalctl"
    if script is not None:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    journal = Journal(["a"], {"journal:a": {"cursor": "c"}}, (str(program),))
    OPEN.append(journal)
    assert ended(journal, 4) == []
    assert said in journal.missing()["journal:a"]
    (found,) = ended(journal, 8)
    assert found.startswith("ERROR autoloop cannot read the journal, journalctl ")
    assert found.endswith("5 times in a row\n")
    assert "5 times in a row; it is started again" in journal.missing()["journal:a"]
    assert journal.states() == {"journal:a": {"cursor": "c"}}


def test_a_journalctl_that_stays_is_well_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """After a while; it goes on behind what came before, of which nothing is read twice."""
    monkeypatch.setattr(journal_module, "AGAIN_S", (0.0,))
    program, asked = tmp_path / "journalctl", tmp_path / "asked"
    entry = json.dumps({"__CURSOR": "c1", "MESSAGE": "ERROR order failed"})
    program.write_text(
        f'#!/bin/sh\necho "$@" >>{asked}\n'
        f"[ -e {tmp_path}/well ] && exec sleep 60\necho '{entry}'\nexit 1\n"
    )
    program.chmod(0o755)
    journal = Journal(["a"], {"journal:a": {"cursor": "c"}}, (str(program),))
    OPEN.append(journal)
    journal._process.wait()
    assert journal.next(ENGINE) is None  # may go on
    (tmp_path / "well").touch()
    while journal.missing() == {} or not journal._runs():
        journal.refresh()
    while len(asked.read_text().splitlines()) < 2:
        time.sleep(0.01)
    found = journal.next(ENGINE, final=True)
    assert found is not None
    assert texts_of(found[1]) == ["ERROR order failed\n"]
    assert [line.split("=")[-1].split()[0] for line in asked.read_text().splitlines()] == [
        "c", "c1"
    ]  # fmt: skip
    assert journal.missing()
    monkeypatch.setattr(journal_module, "LASTED_S", 0.0)
    journal.refresh()
    assert journal.missing() == {}


@pytest.mark.skipif(not shutil.which("journalctl"), reason="no journalctl here")
def test_what_journalctl_itself_complains_of_is_told(tmp_path: Path) -> None:
    """The real one, asked for a folder that is not there."""
    journal = Journal(["a"], {}, ("journalctl", f"--directory={tmp_path}/none"))
    OPEN.append(journal)
    assert ended(journal, 1) == []
    assert "exited with code 1 (Failed to open" in journal.missing()["journal:a"]


def test_what_cannot_be_read_is_named_with_its_reason(tmp_path: Path) -> None:
    """A file that is not there, a pattern, a container that nobody knows."""
    rows: list[dict[str, Any]] = [
        {"kind": "file", "path": str(tmp_path / "a.log")},
        {"kind": "file", "path": str(tmp_path / "*.log")},
        {"kind": "container", "path": str(tmp_path / "b.log")},
        {"kind": "container", "name": "nobody-knows-this-one"},
    ]
    sources = sources_of(rows, {})
    OPEN.extend(sources)
    assert [type(source) for source in sources] == [Files, Files, Files, Named]
    (tmp_path / "b.log").touch()
    for source in sources:
        source.refresh()
    reasons = {name: why for source in sources for name, why in source.missing().items()}
    assert reasons == {
        f"file:{tmp_path}/a.log": "No such file or directory",
        "container:nobody-knows-this-one": "neither docker nor podman knows it",
    }
