"""The files of one log as they are now: itself, and those that it was rotated into.

Names shift while they are looked at. So a file is known by its number on the disk, taken from the
same open handle as its beginning; and what is seen of a folder counts only when its names led to
the same numbers before and after.
"""

import contextlib
import gzip
import os
import re
import zlib
from typing import Any, Dict, List, Optional

HEAD = 1024
"""Bytes at the beginning of a file by which it is known again."""

TRIES = 5
"""How often a folder is looked at anew because its names changed meanwhile."""

_ROTATED = r"(?:[.-]\d[\dT:_.-]*|\.old|\.bak)"


class Moved(Exception):
    """A path leads to another file than a moment ago."""


class File:
    """A file as it was seen: *beginning* is unpacked, and empty when there is none to be read."""

    def __init__(self, path: str, found: os.stat_result, beginning: bytes) -> None:
        self.path, self.beginning = path, beginning
        self.number, self.size, self.changed = number_of(found), found.st_size, found.st_mtime
        self.seen = _seen(found)

    @property
    def packed(self) -> bool:
        return self.path.endswith(".gz")

    def begins_like(self, other: "File") -> bool:
        """Whether what is there of it is in the other too: it is a copy, or becomes one."""
        return bool(self.beginning) and other.beginning.startswith(self.beginning)

    def has_changed(self) -> bool:
        """Whether it is not any more as it was seen."""
        try:
            return bool(self.seen != _seen(os.stat(self.path)))
        except OSError:
            return True


class Sight:
    """The files of a log at one moment: rotated ones, the oldest first, then the log itself."""

    def __init__(self, files: List[File], own: Optional[File]) -> None:
        self.own, self.files = own, sorted(files, key=lambda each: (each.changed, each.path))
        self.files += [own] if own is not None else []
        self.by_number = {each.number: each for each in self.files}
        self.paths = {each.path for each in self.files}


class Folder:
    """Where the log at *path* and its rotated files are."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder, base = os.path.split(path)
        stem, ending = os.path.splitext(base)
        self._base, self._named = (
            base,
            re.compile(
                r"(?:%s%s|%s%s%s)(?:\.gz)?\Z"
                % (re.escape(base), _ROTATED, re.escape(stem), _ROTATED, re.escape(ending))
            ),
        )
        self._files: Dict[str, File] = {}

    def look(self) -> Optional[Sight]:
        """What is there; None when names changed all the time: what is seen then says nothing."""
        for _ in range(TRIES):
            rows = self._listed()
            with contextlib.suppress(Moved):
                files = {path: self._file(path, found) for path, found in rows.items()}
                if _numbers(rows) == _numbers(self._listed()):
                    self._files = files
                    rotated = [each for each in files.values() if each.path != self.path]
                    return Sight(rotated, files.get(self.path))
        return None

    def moment(self) -> float:
        """When a name was last made or removed here, as far as the disk tells."""
        with contextlib.suppress(OSError):
            return os.stat(self._folder or ".").st_mtime
        return 0.0

    def _listed(self) -> Dict[str, os.stat_result]:
        names = []
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(self._folder or ".") if self._named.match(name)]
        rows = {}
        for name in [*names, self._base]:
            path = os.path.join(self._folder, name)
            with contextlib.suppress(OSError):
                rows[path] = os.stat(path)
        return rows

    def _file(self, path: str, found: os.stat_result) -> File:
        known = self._files.get(path)
        if known is not None and known.seen == _seen(found):
            return known
        try:
            with open(path, "rb", buffering=0) as handle:
                now = os.fstat(handle.fileno())
                if number_of(now) != number_of(found):
                    raise Moved
                return File(path, now, beginning_of(handle, path.endswith(".gz")))
        except FileNotFoundError:
            raise Moved
        except OSError:  # may not be read
            return File(path, found, b"")


def number_of(found: os.stat_result) -> str:
    """The number of a file on its disk. It is used again, but not while somebody holds it open."""
    return "%d:%d" % (found.st_dev, found.st_ino)


def _seen(found: os.stat_result) -> Any:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _numbers(rows: Dict[str, os.stat_result]) -> Dict[str, str]:
    return {path: number_of(found) for path, found in rows.items()}


def beginning_of(handle: Any, packed: bool) -> bytes:
    """The first bytes of an open file, unpacked; empty when it is not all there."""
    if not packed:
        return os.pread(handle.fileno(), HEAD, 0)
    try:
        with gzip.GzipFile(fileobj=handle) as source:
            return source.read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""
