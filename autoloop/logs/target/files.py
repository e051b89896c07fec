"""Log files that grow, are renamed, truncated and packed: what was not read yet, once each.

A file is known by its number on the disk and by a checksum of its beginning. What is remembered
of a log is the place up to which each of its files was read; see docs/explanation/logs.md.
"""

import contextlib
import gzip
import os
import re
import time
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from autoloop.logs.target.records import BACK, LONGEST, open_ended, spans

BLOCK = 256 << 10
HEAD = 256
"""Bytes at the beginning of a file by which it is known again."""

LEAST = 16
"""Bytes of a beginning by which content is known under another number."""

LINE = 1 << 20
"""Bytes of a line that are looked at; the rest of a longer one is passed over."""

LINGER_S = 30.0
"""For so long a file that was rotated away is kept open: its writer may not have noticed yet."""

KNOWN = 200
"""Files of one log that are remembered, at most."""

PACKED_DONE = 1 << 62
"""The offset of a packed file that was read to its end."""

SETTLE_S, OPEN_S, PARTIAL_S = 0.002, 0.25, 1.0
"""After so much silence a record at the end of a file is whole; one that plainly lacks its end;
and a line without its newline, in a file that was rotated away."""

NEVER = FOR_EVER = float("inf")

_ROTATED = r"(?:[.-]\d[\dT:_.-]*|\.old|\.bak)"


class Found(NamedTuple):
    """A block with its records; *place* is where *data* begins in its source."""

    data: bytes
    spans: List[Tuple[int, int]]
    end: int
    place: int


class Mark:
    """How far a file was read: *offset*, and what it is known by."""

    def __init__(
        self, number: str, head: int = 0, crc: int = 0, offset: int = 0, skipping: bool = False
    ) -> None:
        self.number, self.head, self.crc = number, head, crc
        self.offset, self.skipping = offset, skipping

    def is_of(self, each: "File") -> bool:
        """Whether this is about that file, and not about an earlier one with its number."""
        return self.number == each.number and self.begins(each.beginning)

    def state(self) -> List[Any]:
        return [self.number, self.head, self.crc, self.offset, int(self.skipping)]

    def begins(self, beginning: bytes) -> bool:
        """Whether a file with this *beginning* is this one, or a copy of it."""
        return len(beginning) >= self.head and zlib.crc32(beginning[: self.head]) == self.crc

    def under(self, number: str) -> "Mark":
        """The same place in the same content, in the file with another *number*."""
        return Mark(number, self.head, self.crc, self.offset, self.skipping)

    def learn(self, beginning: bytes) -> None:
        if self.head < HEAD and len(beginning) > self.head:
            self.head, self.crc = len(beginning), zlib.crc32(beginning)


def number_of(found: os.stat_result) -> str:
    return "%d:%d" % (found.st_dev, found.st_ino)


class File:
    """A file as it is now: its path, what stat says, and how it begins."""

    def __init__(self, path: str, found: os.stat_result, beginning: bytes) -> None:
        self.path, self.found, self.beginning = path, found, beginning
        self.number = number_of(found)

    def is_beginning_of(self, other: "File") -> bool:
        """Whether it is a copy, or will be one when it is all written."""
        return (
            other.number != self.number
            and other.found.st_size >= self.found.st_size
            and other.beginning.startswith(self.beginning)
        )


class Reader:
    """Reads one file from a mark on, in blocks; holds back what is not whole yet."""

    def __init__(self, path: str, mark: Mark) -> None:
        self.mark, self.packed = mark, path.endswith(".gz")
        self.handle: Any = None
        self.handle = gzip.open(path) if self.packed else open(path, "rb", buffering=0)
        self.finished, self.due = False, NEVER
        self.grown = time.monotonic()
        self._start()

    def _start(self) -> None:
        back = min(self.mark.offset, BACK)
        self.handle.seek(self.mark.offset - back)
        self.data = self.handle.read(back) or b""
        self.done = len(self.data)  # what lies before it in data is consumed
        cut = self.data.find(b"\n") + 1
        if self.mark.offset > back:  # context begins with a whole line
            self.data, self.done = self.data[cut:], self.done - cut
        self.floor = self.done  # what is before it was told before

    def beginning(self) -> bytes:
        if self.packed:
            return b""
        return os.pread(self.handle.fileno(), HEAD, 0)

    def size(self) -> int:
        return os.fstat(self.handle.fileno()).st_size

    def step(self, engine: Any, final: bool = False) -> Optional[Found]:
        """The next block with what was found in it; None when there is nothing new.

        *final* says that nothing will come any more. *due* is when to ask again without news.
        """
        while True:
            fresh = self._fresh()
            if not fresh and self.done == len(self.data):
                self.due = NEVER
                return None
            silence = FOR_EVER if final else time.monotonic() - self.grown
            found = self._block(engine, silence, self.data + fresh if fresh else self.data)
            if found is not None or not fresh:
                return found

    def _fresh(self) -> bytes:
        try:
            fresh: bytes = self.handle.read(BLOCK)
        except (OSError, EOFError, zlib.error):  # a damaged archive: what could be unpacked is read
            fresh = b""
        if fresh:
            self.grown = time.monotonic()
        return fresh

    def _block(self, engine: Any, silence: float, data: bytes) -> Optional[Found]:
        start = self._past_long_line(data)
        end = self._whole(data, start, silence)
        if end <= start:
            self._keep(data, start, self.floor)
            self.due = self.grown + PARTIAL_S if self.finished else NEVER
            return None
        hits = [start + hit for hit in engine.hits(data[start:end])]
        found = spans(data, self.floor, end, hits) if hits else []
        consumed, self.due = end, NEVER
        if found and found[-1][1] >= end and self._held(data, found[-1], silence):
            consumed = found.pop()[0]
        place = self.mark.offset - self.done
        self._keep(data, consumed, found[-1][1] if found else self.floor)
        return Found(data, found, end, place) if found or consumed > start else None

    def _held(self, data: bytes, span: Tuple[int, int], silence: float) -> bool:
        """Whether a record at the end of what was read may go on."""
        needed = OPEN_S if silence >= SETTLE_S and open_ended(data, span) else SETTLE_S
        self.due = self.grown + needed
        return silence < needed and span[1] - span[0] < LONGEST

    def _past_long_line(self, data: bytes) -> int:
        if not self.mark.skipping:
            return self.done
        end = data.find(b"\n", self.done) + 1
        self.mark.skipping = end == 0
        return end or len(data)

    def _whole(self, data: bytes, start: int, silence: float) -> int:
        """The end of the last whole line; of a line too long the end of what is looked at."""
        end = data.rfind(b"\n", start) + 1
        if end > start:
            return end
        if len(data) - start > LINE:
            self.mark.skipping = True
            return len(data)
        return len(data) if self.finished and silence > PARTIAL_S else start

    def _keep(self, data: bytes, consumed: int, floor: int) -> None:
        self.mark.offset += consumed - self.done
        first = max(0, consumed - BACK)
        if first:
            first = data.find(b"\n", first, consumed) + 1 or consumed
        self.data, self.done = data[first:], consumed - first
        self.floor = max(0, floor - first)

    def close(self) -> None:
        self.handle.close()


class Log:
    """One log: the file at *path*, and those that it was rotated into."""

    def __init__(
        self,
        path: str,
        state: Optional[Dict[str, Any]] = None,
        from_start: bool = True,
        reader: Any = Reader,
    ) -> None:
        self.path, self.name, self.reader = path, "file:" + path, reader
        self.known = [Mark(*row) for row in (state or {}).get("files", ())]
        self.readers: List[Reader] = []
        self.missing, self.folder_at = "", 0.0
        if not self.known:
            self._first_time(from_start)
        self.refresh()

    def _first_time(self, from_start: bool) -> None:
        """What was rotated away before we came is not read; the file itself if *from_start*."""
        for path, found in self._siblings():
            self._register(path, found)
        if not from_start:
            with contextlib.suppress(OSError):
                found = os.stat(self.path)
                self._register(self.path, found)

    def _register(self, path: str, found: os.stat_result) -> None:
        offset = PACKED_DONE if path.endswith(".gz") else found.st_size
        mark = Mark(number_of(found), offset=offset)
        mark.learn(beginning_of(path))
        self.known.append(mark)

    def state(self) -> Dict[str, Any]:
        """What must be remembered to go on from here."""
        return {"files": [mark.state() for mark in self.known[-KNOWN:]]}

    def refresh(self) -> None:
        """Look at the folder: has the file been renamed, truncated, or made anew?"""
        try:
            found: Optional[os.stat_result] = os.stat(self.path)
            self.missing = ""
        except OSError as error:
            found, self.missing = None, error.strerror or "missing"
        active = self._active()
        same = active is not None and found is not None and active.mark.number == number_of(found)
        if active is not None and same:
            self._check_truncated(active)
        elif active is not None:
            active.finished = True
        if not same or self._folder_changed():
            self._catch_up(found)
        if found is not None and not same:
            self._open_active(found)
        self._forget_finished()

    def _active(self) -> Optional[Reader]:
        return self.readers[-1] if self.readers and not self.readers[-1].finished else None

    def _folder_changed(self) -> bool:
        try:
            moment = os.stat(os.path.dirname(self.path) or ".").st_mtime
        except OSError:
            return False
        changed, self.folder_at = moment != self.folder_at, moment
        return changed

    def check(self) -> None:
        """Quick, before each read: has the file been truncated under our feet?"""
        active = self._active()
        if active is not None:
            self._check_truncated(active)

    def _check_truncated(self, active: Reader) -> None:
        mark, beginning = active.mark, active.beginning()
        if active.size() >= mark.offset and mark.begins(beginning):
            mark.learn(beginning)
            return
        old = mark.under(mark.number)
        self._read_copy_of(old)
        mark.head, mark.crc, mark.offset, mark.skipping = 0, 0, 0, False
        mark.learn(beginning)
        active._start()

    def _read_copy_of(self, old: Mark) -> None:
        """The rest of a truncated file is in the copy that was made of it, if there is one."""
        for path, found in self._siblings():
            each = File(path, found, beginning_of(path))
            if old.head >= LEAST and old.begins(each.beginning) and self._mark_of(each) is None:
                self._add(path, old.under(each.number))
                return

    def _catch_up(self, active: Optional[os.stat_result]) -> None:
        """Go on in the files that this log was rotated into, the oldest first."""
        siblings = [File(path, found, beginning_of(path)) for path, found in self._siblings()]
        now = None
        if active is not None:
            now = File(self.path, active, beginning_of(self.path))
        names = {each.path for each in siblings}
        opened = [reader.mark for reader in self.readers]
        for each in siblings:
            packed = each.path.endswith(".gz")
            mark = self._mark_of(each)
            if mark in opened or not each.beginning or (packed and each.path[:-3] in names):
                continue
            if mark is None:
                self._read_unknown(each, siblings, now)
            elif mark.offset < (PACKED_DONE if packed else each.found.st_size):
                self._add(each.path, mark)

    def _mark_of(self, each: "File") -> Optional[Mark]:
        """What is known of a file; its number alone says little, numbers are used again."""
        return next((mark for mark in self.known if mark.is_of(each)), None)

    def _read_unknown(self, each: "File", siblings: List["File"], active: Optional["File"]) -> None:
        """A file that is not known: a copy, packed since, or one that was missed."""
        same = [mark for mark in self.known if mark.head >= LEAST and mark.begins(each.beginning)]
        there = [*siblings, active] if active is not None else siblings
        gone = [mark for mark in same if not any(mark.is_of(other) for other in there)]
        cut = [mark for mark in gone if active is not None and mark.number == active.number]
        short = active is not None and [
            mark for mark in same if mark.is_of(active) and active.found.st_size < mark.offset
        ]
        moved = cut or short or (gone if each.path.endswith(".gz") else [])
        if moved:
            if not self._is_open(moved[0]):
                self.known.remove(moved[0])
                self._add(each.path, moved[0].under(each.number))
        elif not any(each.is_beginning_of(other) for other in there):
            self._add(each.path, Mark(each.number))

    def _add(self, path: str, mark: Mark) -> None:
        with contextlib.suppress(OSError, EOFError):
            mark.learn(beginning_of(path))
            reader = self.reader(path, mark)
            reader.finished = True
            self.readers.insert(len([r for r in self.readers if r.finished]), reader)
            if mark not in self.known:
                self.known.append(mark)

    def _open_active(self, found: os.stat_result) -> None:
        each = File(self.path, found, beginning_of(self.path))
        mark = self._mark_of(each)
        if mark is not None and (mark.offset > found.st_size or self._is_open(mark)):
            mark = None  # truncated; or still being read under its old name
        if mark is None:
            mark = Mark(each.number)
            self.known.append(mark)
        mark.learn(each.beginning)
        try:
            self.readers.append(self.reader(self.path, mark))
        except OSError as error:
            self.missing = error.strerror or "cannot be read"

    def _is_open(self, mark: Mark) -> bool:
        return any(reader.mark is mark for reader in self.readers)

    def _forget_finished(self) -> None:
        now = time.monotonic()
        for reader in [r for r in self.readers if r.finished]:
            if reader.packed and reader.grown + 1.5 < now and reader.done == len(reader.data):
                reader.mark.offset = PACKED_DONE
            if reader.mark.offset == PACKED_DONE or reader.grown + LINGER_S < now:
                reader.close()
                self.readers.remove(reader)
        if len(self.known) > KNOWN:
            there = {number_of(found) for _, found in self._siblings()}
            open_ = {reader.mark.number for reader in self.readers}
            self.known = [m for m in self.known if m.number in there | open_][-KNOWN:]

    def _siblings(self) -> List[Any]:
        """Files that this log was rotated into, the oldest first: path and what stat says."""
        folder, base = os.path.split(self.path)
        stem, ending = os.path.splitext(base)
        named = re.compile(
            r"(?:%s%s|%s%s%s)(?:\.gz)?\Z"
            % (re.escape(base), _ROTATED, re.escape(stem), _ROTATED, re.escape(ending))
        )
        rows = []
        with contextlib.suppress(OSError):
            for name in os.listdir(folder or "."):
                if name != base and named.match(name):
                    with contextlib.suppress(OSError):
                        path = os.path.join(folder, name)
                        rows.append((path, os.stat(path)))
        return sorted(rows, key=lambda row: (row[1].st_mtime, row[0]))

    def step(self, engine: Any, final: bool = False) -> Optional[Found]:
        """The next block of the oldest file that has one."""
        self.check()
        for reader in self.readers:
            found = reader.step(engine, final)
            if found is not None:
                return found
        return None

    @property
    def due(self) -> float:
        return min([reader.due for reader in self.readers] or [NEVER])

    def close(self) -> None:
        for reader in self.readers:
            reader.close()


def beginning_of(path: str) -> bytes:
    """The first bytes of a file, unpacked; empty when it cannot be read."""
    try:
        with gzip.open(path) if path.endswith(".gz") else open(path, "rb") as source:
            return source.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""
