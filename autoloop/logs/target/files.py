"""Log files that grow, are renamed, truncated and packed: what was not read yet, once each.

A file is known by its number on the disk and by a checksum of its beginning. What is remembered
of a log is the place up to which each of its files was read; see docs/explanation/logs.md.
"""

import contextlib
import gzip
import os
import time
import zlib
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from autoloop.logs.target.folder import HEAD, File, Folder, Sight, beginning_of, number_of
from autoloop.logs.target.records import BACK, LONGEST, may_go_on, open_ended, spans

BLOCK = 512 << 10

LEAST = 16
"""Bytes of a beginning by which content is known under another number."""

LINE = 1 << 20
"""Bytes of a line that are looked at; the rest of a longer one is passed over."""

LINGER_S = 30.0
"""For so long a file that was rotated away is kept open: its writer may not have noticed yet. And
for so long a folder that changed is looked at again: rotating takes time, and disks tell the time
of a change coarsely."""

LOOK_S = 1.0
"""So often it is looked at then."""

KNOWN, GONE = 200, 50
"""Files of one log that are remembered, at most; and of those that are not there any more."""

PACKED_DONE = 1 << 62
"""The offset of a packed file that was read to its end."""

LINE_S, SETTLE_S, OPEN_S, PARTIAL_S = 0.001, 0.002, 1.0, 1.0
"""After so much silence a plain line at the end of a file is a whole record; one that may go on;
one that plainly lacks its end; and a line without its newline, in a file that was rotated away."""

NEVER = FOR_EVER = float("inf")


class Found(NamedTuple):
    """A block with its records; *place* is where *data* begins in its source."""

    data: bytes
    spans: List[Tuple[int, int]]
    end: int
    place: int


class Mark:
    """How far a file was read: *offset*, and what it is known by.

    The checksum is of bytes that were read, and of all of them up to `HEAD`: so a mark never fits
    content of which something else was read. *lines* has it at the end of each line of these.
    """

    def __init__(
        self,
        number: str,
        head: int = 0,
        crc: int = 0,
        offset: int = 0,
        skipping: bool = False,
        lines: Sequence[List[int]] = (),
    ) -> None:
        self.number, self.head, self.crc = number, head, crc
        self.offset, self.skipping, self.lines = offset, bool(skipping), list(lines)

    def state(self) -> List[Any]:
        row = [self.number, self.head, self.crc, self.offset, int(self.skipping)]
        return [*row, self.lines] if self.lines else row

    def is_of(self, each: File) -> bool:
        """Whether this is about that file, and not about an earlier one with its number."""
        return (
            self.number == each.number
            and (each.packed or self.offset <= each.size)
            and self.begins(each.beginning)
        )

    def is_in(self, sight: Sight) -> bool:
        """Whether the file that this is about is there."""
        each = sight.by_number.get(self.number)
        return each is not None and self.is_of(each)

    def begins(self, beginning: bytes) -> bool:
        """Whether a file with this *beginning* is this one, or a copy of it."""
        return 0 < self.head <= len(beginning) and zlib.crc32(beginning[: self.head]) == self.crc

    def has_read(self, beginning: bytes) -> bool:
        """Whether all lines of this short *beginning* were read, and more after them."""
        end = beginning.rfind(b"\n") + 1
        return [end, zlib.crc32(beginning[:end])] in self.lines

    def learn(self, beginning: bytes) -> None:
        if self.head < HEAD and len(beginning) > self.head:
            beginning = beginning[:HEAD]
            self.head, self.crc = len(beginning), zlib.crc32(beginning)
            ends = [end for end in range(1, self.head + 1) if beginning[end - 1] == 10]
            self.lines = [[end, zlib.crc32(beginning[:end])] for end in ends]


class Reader:
    """Reads one open file from a mark on, in blocks; holds back what is not whole yet."""

    def __init__(self, handle: Any, mark: Mark, packed: bool = False) -> None:
        self.mark, self.packed, self._file = mark, packed, handle
        self.handle: Any = gzip.GzipFile(fileobj=handle) if packed else handle
        self.finished, self.drained, self.broken, self.due = False, False, False, NEVER
        self.truncated = False
        self.grown = time.monotonic()
        self._waiting, self._waits_at = b"", -1
        self._start()

    def _start(self) -> None:
        back = min(self.mark.offset, BACK)
        with contextlib.suppress(OSError, EOFError, zlib.error):
            self.handle.seek(self.mark.offset - back)
        self.data = self._read(back)
        self.done = len(self.data)  # what lies before it in data is consumed
        cut = self.data.find(b"\n") + 1
        if self.mark.offset > back:  # context begins with a whole line
            self.data, self.done = self.data[cut:], self.done - cut
        self.floor = self.done  # what is before it was told before

    def over_again(self) -> None:
        """From the beginning, under a new mark: the file was truncated."""
        self.mark, self.truncated = Mark(self.mark.number), False
        self._start()

    def is_truncated(self) -> bool:
        """Whether what was read is not in the file any more."""
        if self.packed:
            return False
        beginning = self.beginning()
        if self.mark.offset == self.done and not beginning.startswith(self.data[:HEAD]):
            return True  # data begins where the file began
        known = not self.mark.head or self.mark.begins(beginning)
        return self.size() < self._file.tell() or not known

    def beginning(self) -> bytes:
        return b"" if self.packed else beginning_of(self._file, False)

    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def step(self, engine: Any, final: bool = False) -> Optional[Found]:
        """The next block with what was found in it; None when there is nothing new.

        *final* says that nothing will come any more. *due* is when to ask again without news.
        """
        while True:
            fresh = self._fresh()
            if self.truncated or (not fresh and self.done == len(self.data)):
                self.due = NEVER
                return None
            silence = FOR_EVER if final else time.monotonic() - self.grown
            found = self._block(engine, silence, self.data + fresh if fresh else self.data)
            if found is not None or not fresh:
                return found

    def _fresh(self) -> bytes:
        fresh = self._read(BLOCK)
        self.drained = not fresh
        if self.is_truncated():  # asked after reading: else it may happen in between
            self.truncated = True
            return b""
        if fresh:
            self.grown = time.monotonic()
        return fresh

    def _read(self, size: int) -> bytes:
        try:
            fresh: bytes = self.handle.read(size) or b""
            self.broken = False
        except (OSError, EOFError, zlib.error):  # a damaged archive: what could be unpacked is read
            fresh, self.broken = b"", True
        return fresh

    def _block(self, engine: Any, silence: float, data: bytes) -> Optional[Found]:
        start = self._past_long_line(data)
        end = self._whole(data, start, silence)
        if end <= start:
            self._keep(data, start, self.floor)
            self.due = self.grown + PARTIAL_S if self.finished else NEVER
            return None
        hits = engine.hits(data, start, end)
        found = spans(data, self.floor, end, hits) if hits else []
        consumed, self.due = end, NEVER
        place = self.mark.offset - self.done
        if found and found[-1][1] >= end and self._holds(data, found[-1], silence):
            consumed = found[-1][0]
            self._hold(data, found.pop(), place)
        self._keep(data, consumed, found[-1][1] if found else self.floor)
        return Found(data, found, end, place) if found or consumed > start else None

    def _holds(self, data: bytes, span: Tuple[int, int], silence: float) -> bool:
        """Whether a record at the end of what was read may go on."""
        needed = SETTLE_S if may_go_on(data, span) else LINE_S
        if silence >= needed and open_ended(data, span):
            needed = OPEN_S
        self.due = self.grown + needed
        return silence < needed and span[1] - span[0] < LONGEST

    def _hold(self, data: bytes, span: Tuple[int, int], place: int) -> None:
        if self._waits_at != place + span[0]:  # else it has only grown
            self._waits_at, self._waiting = place + span[0], data[span[0] : span[1]]

    def held(self) -> List[bytes]:
        """The record that is held back because it may go on, as it began; once."""
        text, self._waiting = self._waiting, b""
        return [text] if text else []

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
        if self.mark.offset == self.done:
            self.mark.learn(data[:consumed])
        self.mark.offset += consumed - self.done
        first = max(0, consumed - BACK)
        if first:
            first = data.find(b"\n", first, consumed) + 1 or consumed
        self.data, self.done = data[first:], consumed - first
        self.floor = max(0, floor - first)

    def close(self) -> None:
        self.handle.close()
        self._file.close()


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
        self.before = float((state or {}).get("before", 0.0))
        self.readers: List[Reader] = []
        self.missing = ""
        self._is_new, self._from_start = state is None, from_start
        self._folder, self._moment = Folder(path), -1.0
        self._look_at = self._look_until = 0.0
        self.refresh()

    def state(self) -> Dict[str, Any]:
        """What must be remembered to go on from here."""
        state: Dict[str, Any] = {"files": [mark.state() for mark in self.known if mark.offset]}
        if self.before:
            state["before"] = self.before
        return state

    def refresh(self) -> None:
        """Look at the folder: has the file been renamed, truncated, or made anew?"""
        try:
            number = number_of(os.stat(self.path))
            self.missing = ""
        except OSError as error:
            number, self.missing = "", error.strerror or "missing"
        active = self._active()
        if active is not None and active.mark.number != number:
            active.finished, active.mark.lines, active = True, [], None
        cut = active is not None and active.is_truncated()
        if self._must_look(active is None or cut):
            self._catch_up()
        self._forget_finished()

    def _active(self) -> Optional[Reader]:
        return self.readers[-1] if self.readers and not self.readers[-1].finished else None

    def _must_look(self, sure: bool) -> bool:
        now, moment = time.monotonic(), self._folder.moment()
        if moment != self._moment:
            self._moment, self._look_until = moment, now + LINGER_S
            return True
        return sure or self._look_at <= now < self._look_until

    def _look_again(self) -> None:
        self._look_at, self._look_until = 0.0, time.monotonic() + LINGER_S

    def _begin_again(self, reader: Reader) -> None:
        """Read a truncated file from its beginning.

        What was not read of it is in the copy that was made, if any was. Its mark stays behind
        without a file, until a copy is found where it goes on.
        """
        if reader.finished:
            self._close(reader)
        else:
            reader.over_again()
            self.known.append(reader.mark)

    def _catch_up(self) -> None:
        """Go on in the files that this log was rotated into, the oldest first; then in itself."""
        sight = self._folder.look()
        if sight is None:
            self._look_again()
            return
        self._look_at = time.monotonic() + LOOK_S
        for cut in [r for r in self.readers if r.is_truncated()]:  # before the sight, or since
            self._begin_again(cut)
        if self._is_new:
            self._pass_over(sight)
        for each in sight.files:
            reader = self._reader_of(each)
            if reader is not None and each is sight.own:
                reader.finished = False
                self.readers.append(self.readers.pop(self.readers.index(reader)))
            elif reader is None:
                mark = self._mark_of(each) or self._new_mark(each, sight)
                if mark is not None:
                    self._open(each, mark)
        self._forget_marks(sight)

    def _pass_over(self, sight: Sight) -> None:
        """What was rotated away before we came is not read; the file itself if *from_start*."""
        self._is_new = False
        for each in sight.files:
            if each is not sight.own or not self._from_start:
                mark = Mark(each.number, offset=whole(each))
                mark.learn(each.beginning)
                self.known.append(mark)

    def _reader_of(self, each: File) -> Optional[Reader]:
        """Who has it open; while it is open, its number is nobody else's."""
        return next((r for r in self.readers if r.mark.number == each.number), None)

    def _mark_of(self, each: File) -> Optional[Mark]:
        """What is known of a file; its number alone says little, numbers are used again."""
        return next((mark for mark in self.known if mark.is_of(each)), None)

    def _new_mark(self, each: File, sight: Sight) -> Optional[Mark]:
        """Where to begin in a file that is not known; None while it must not be read.

        It may be the copy of one that was truncated, packed since, a copy of one that is still
        there, still being written, or one that was missed.
        """
        own = each is sight.own
        if not own and (not each.beginning or self._is_copy(each, sight)):
            return None
        old = self._left_behind(each, sight)
        if old is None:
            return Mark(each.number) if own or each.changed > self.before else None
        if not each.packed and old.offset > each.size and each.has_changed():
            self._look_again()  # the copy was still being written when it was seen
            return None
        new = Mark(each.number, skipping=old.skipping)
        new.offset = old.offset if each.packed else min(old.offset, each.size)
        new.learn(each.beginning[: new.offset])
        new.lines = []
        self.known[self.known.index(old)] = new
        return new

    def _left_behind(self, each: File, sight: Sight) -> Optional[Mark]:
        """The mark of what was read of this content when it was in a file that has it no more."""
        fit = [
            mark
            for mark in self.known
            if mark.head >= LEAST and not mark.is_in(sight) and _goes_on(mark, each, sight)
        ]
        return max(fit, key=lambda mark: mark.offset) if fit else None

    def _is_copy(self, each: File, sight: Sight) -> bool:
        """Whether its content is read elsewhere, or will be: of two files one is waited for."""
        if each.packed and each.path[:-3] in sight.paths:
            return True
        if any(reader.beginning().startswith(each.beginning) for reader in self.readers):
            return True
        for other in sight.files:
            if other is not each and not other.packed and each.begins_like(other):
                known = other is sight.own or self._mark_of(other) is not None
                if each.packed or (each.size, False, each.path) < (other.size, known, other.path):
                    return True
        return False

    def _open(self, each: File, mark: Mark) -> None:
        own = each.path == self.path
        if not own and mark.offset >= whole(each):
            return
        try:
            handle = open(each.path, "rb", buffering=0)
        except OSError as error:
            self.missing = error.strerror or "cannot be read" if own else self.missing
            self._look_again()
            return
        if number_of(os.fstat(handle.fileno())) != each.number:  # renamed since
            handle.close()
            self._look_again()
            return
        reader = self.reader(handle, mark, each.packed)
        reader.finished = not own
        mark.lines = mark.lines if own else []
        self.readers.insert(len([r for r in self.readers if own or r.finished]), reader)
        if mark not in self.known:
            self.known.append(mark)

    def _forget_finished(self) -> None:
        now, active = time.monotonic(), self._active()
        waits = active is not None and active.size() == 0  # all is still written elsewhere
        for reader in [r for r in self.readers if r.finished and r.drained]:
            silent, whole = reader.grown + LINGER_S < now, reader.done == len(reader.data)
            if reader.packed and (silent or (whole and not reader.broken)):
                reader.mark.offset = PACKED_DONE
                self._close(reader)
            elif silent and not (waits and reader is self.readers[-2]):
                self._close(reader)

    def _close(self, reader: Reader) -> None:
        reader.close()
        self.readers.remove(reader)
        self._look_again()

    def _forget_marks(self, sight: Sight) -> None:
        """Of files that are gone the newest stay known; of those that are there, too.

        Those that are forgotten are known by their age.
        """
        used = [reader.mark for reader in self.readers]
        gone = [mark for mark in self.known if mark not in used and not mark.is_in(sight)]
        self.known = [mark for mark in self.known if mark not in gone[:-GONE]]
        for each in sight.files if len(self.known) > KNOWN + GONE else ():
            mark = self._mark_of(each)
            if mark is not None and mark not in used and mark.offset >= whole(each):
                self.known.remove(mark)
                self.before = max(self.before, each.changed)
            if len(self.known) <= KNOWN:
                break

    def step(self, engine: Any, final: bool = False) -> Optional[Found]:
        """The next block of the oldest file that has one."""
        truncated = True
        while truncated:
            truncated = False
            for reader in list(self.readers):
                found = reader.step(engine, final)
                if found is not None:
                    return found
                if reader.truncated:
                    self._catch_up()
                    truncated = not reader.truncated
                    break
        return None

    @property
    def due(self) -> float:
        return min([reader.due for reader in self.readers] or [NEVER])

    def held(self) -> List[bytes]:
        return [text for reader in self.readers for text in reader.held()]

    def close(self) -> None:
        for reader in self.readers:
            reader.close()


def whole(each: File) -> int:
    """The offset at which a file was read to its end."""
    return PACKED_DONE if each.packed else each.size


def _goes_on(mark: Mark, each: File, sight: Sight) -> bool:
    """Whether what *mark* is about goes on in *each*, or ended there.

    The copy of a file that was truncated since may have less than was read of it.
    """
    truncated = sight.own is not None and mark.number == sight.own.number
    if mark.begins(each.beginning):
        longer = each.packed or truncated or mark.offset == PACKED_DONE
        return longer or mark.offset <= each.size
    return truncated and mark.has_read(each.beginning)
