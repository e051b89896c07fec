"""The loop: read what is new, fold it, hand it on together with how far was read, wait for news."""

import contextlib
import ctypes
import os
import select
import struct
import time
from typing import Any, Callable, Dict, Iterable, List

from autoloop.logs.target.fold import Fold, Folded

POLL_S = 1.0
"""Folders are looked at so often even without news: some file systems tell none."""

ROUND_BYTES = 512 << 20
ROUND_S = 1.0
"""While there is more to read, it is the next one's turn so often, and what was found is handed
on."""

CALM_BYTES = 1 << 20
"""What is read in one round without a rest after it."""

BRIEF_S = 0.005
"""So short that news can wait until it is over: poll() would round it up to milliseconds."""

REMEMBER_S = 1.0
"""How far was read is handed on so often when nothing was found."""

HELD = 4 << 20
"""Bytes freed in one piece, from which glibc learns to hold so much: else it gives the memory of
each block back to the system and asks for it again, which takes as long as reading it."""

_MODIFY, _CREATED, _MOVED, _DELETED = 0x2, 0x100, 0x40 | 0x80, 0x200
_CLOEXEC_NONBLOCK = 0o2000000 | 0o4000
_EVENT = struct.Struct("iIII")

Deliver = Callable[[List[Folded], Dict[str, Any]], Any]
Tell = Callable[[str, str], Any]
"""Called with the name of a log and why it cannot be read; with "" when it can be read again."""


def _tell_nobody(_name: str, _why: str) -> None:
    pass


class News:
    """Waits for changes of files and for bytes in pipes; where inotify is missing, for a moment."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = -1
        with contextlib.suppress(AttributeError):
            self._handle = self._libc.inotify_init1(_CLOEXEC_NONBLOCK)

    def follow(self, folders: Iterable[str], files: Iterable[str]) -> None:
        """May be called again with the same paths: the kernel knows them by their inode."""
        if self._handle < 0:
            return
        for path, mask in [(p, _CREATED | _MOVED | _DELETED) for p in folders] + [
            (p, _MODIFY) for p in files
        ]:
            self._libc.inotify_add_watch(self._handle, os.fsencode(path), mask)

    def wait(self, seconds: float, pipes: List[int]) -> bool:
        """Wait for news, so long at most; whether it is of more than bytes that were written."""
        handles = pipes + ([self._handle] if self._handle >= 0 else [])
        poll = select.poll()
        for handle in handles:
            poll.register(handle, select.POLLIN | select.POLLHUP)
        ready = [handle for handle, _ in poll.poll(max(0.0, seconds) * 1000)]
        return self._handle in ready and self._moved()

    def _moved(self) -> bool:
        """Take in all news; whether any name was made, moved or removed, or some news was lost."""
        moved = False
        with contextlib.suppress(OSError):
            while True:
                data, at = os.read(self._handle, 1 << 16), 0
                while at < len(data):
                    _, mask, _, length = _EVENT.unpack_from(data, at)
                    moved, at = moved or mask != _MODIFY, at + _EVENT.size + length
        return moved

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)


class Watch:
    """Watches sources. *deliver* gets what was found and how far was read, and keeps both together.

    It may take its time: nothing is read meanwhile, so nothing is lost and no memory grows. *share*
    is the part of one core that reading may use. *foresee* is shown a record that is held back
    because it may go on: most are whole, and the time until that is known can be used.
    """

    def __init__(
        self,
        sources: List[Any],
        engine: Any,
        deliver: Deliver,
        share: float = 1.0,
        foresee: Callable[[bytes], Any] = len,
        tell: Tell = _tell_nobody,
    ) -> None:
        self.sources, self._engine, self._deliver = sources, engine, deliver
        self._share, self._foresee, self._tell = share, foresee, tell
        bytes(HELD)
        self._fold, self._news = Fold(), News()
        self._looked = self._told = 0.0
        self._states: Dict[str, Any] = {}
        self._absent: Dict[str, str] = {}
        self._told_of: Dict[str, str] = {}
        self.bytes = 0

    def run(self, going: Callable[[], bool]) -> None:
        """Until *going* says no, asked at least each round; then how far was read is handed on."""
        self._absent = self.missing()
        self._tell_missing()
        while going():
            if not self.round():
                self._wait()
        self.flush()

    def once(self) -> None:
        """Everything that is there now, to its end."""
        self._refresh()
        while self._read(final=True):
            self.flush()
        self.flush()

    def round(self) -> bool:
        """Read what is new, and hand it on; whether there is more to read at once."""
        if time.monotonic() - self._looked >= POLL_S:
            self._refresh()
        began, before = time.monotonic(), self.bytes
        more = self._read()
        worked = time.monotonic() - began
        if len(self._fold) or time.monotonic() - self._told >= REMEMBER_S:
            self.flush()
        if self.bytes - before > CALM_BYTES:
            self._breathe(worked)
        return more

    def flush(self) -> None:
        """Hand on what was found with the places up to which was read."""
        self._told = time.monotonic()
        states: Dict[str, Any] = {}
        for source in self.sources:
            states.update(source.states())
        changed = {name: state for name, state in states.items() if self._states.get(name) != state}
        if len(self._fold) or changed:
            self._deliver(self._fold.take(), changed)
            self._states.update(changed)

    def _refresh(self) -> None:
        self._looked = time.monotonic()
        for source in self.sources:
            source.refresh()
            self._news.follow(source.watched(), source.files())
        self._tell_missing()

    def _tell_missing(self) -> None:
        """Of what cannot be read now and could not at the last look: a log that is being rotated
        is not there for a moment."""
        before, self._absent = self._absent, self.missing()
        lasting = {name: why for name, why in self._absent.items() if name in before}
        for name in sorted({**self._told_of, **lasting}):
            if lasting.get(name, "") != self._told_of.get(name, ""):
                self._tell(name, lasting.get(name, ""))
        self._told_of = lasting

    def _read(self, final: bool = False) -> bool:
        """A turn for each source, however much one of them has; whether one has more than that."""
        return any([self._turn(source, final) for source in self.sources])

    def _turn(self, source: Any, final: bool) -> bool:
        began, most = time.monotonic(), self.bytes + ROUND_BYTES
        while self.bytes < most and time.monotonic() - began < ROUND_S:
            step = source.next(self._engine, final)
            if step is None:
                return False
            self._fold.add(step[0], step[1])
            self.bytes += step[1].end
            if self._fold.full:
                self.flush()
        return True

    def _breathe(self, worked: float) -> None:
        if self._share < 1.0:
            time.sleep(worked * (1.0 / self._share - 1.0))

    def _wait(self) -> None:
        now = time.monotonic()
        due = min([source.due for source in self.sources] + [self._looked + POLL_S])
        if 0.0 < due - now < BRIEF_S:
            self._look_ahead()
            time.sleep(max(0.0, due - time.monotonic()))
            return
        pipes = [handle for source in self.sources for handle in source.handles()]
        if self._news.wait(due - now, pipes):
            self._after_news()

    def _look_ahead(self) -> None:
        for source in self.sources:
            for text in source.held():
                self._foresee(text)

    def _after_news(self) -> None:
        """A folder may have changed: look at once whether a file was renamed or made."""
        for source in self.sources:
            source.refresh()
        self._news.follow([], [path for source in self.sources for path in source.files()])

    def missing(self) -> Dict[str, str]:
        """What cannot be read now, and why."""
        return {name: why for source in self.sources for name, why in source.missing().items()}

    def close(self) -> None:
        self._news.close()
        for source in self.sources:
            source.close()
