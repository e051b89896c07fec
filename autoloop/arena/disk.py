"""A host's disk, read from outside: what was written since it is a host, over its image.

The written part is the upper folder of an overlay, so every path that differs from the image
is in it, deletions included, and nothing has to run in the host to find them.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OPAQUE = "trusted.overlay.opaque"


@dataclass(frozen=True)
class Entry:
    """What is at a path: its content in words or as a digest, and `mode owner:group`."""

    content: str
    permission: str


class Disk:
    """The files of one host. Paths are absolute, as the host sees them."""

    def __init__(self, written: Path, layers: Sequence[Path]) -> None:
        self._written = written
        self._layers = tuple(layers)

    def touched(self) -> dict[str, Entry | None]:
        """Every path that was written since it is a host; None where something was deleted."""
        users, groups = self._names("passwd"), self._names("group")
        found: dict[str, Entry | None] = {}
        for top, folders, names in os.walk(self._written):
            for name in [*folders, *names]:
                place = Path(top, name)
                path = "/" + str(place.relative_to(self._written))
                try:
                    found[path] = self._entry(place, path, users, groups)
                except FileNotFoundError:  # gone while we walked
                    continue
        return found

    def below(self, path: str) -> Entry | None:
        """What the image has at the path."""
        place = self._in_layers(path)
        if place is None:
            return None
        return _read(place, self._names("passwd"), self._names("group"))

    def read(self, path: str) -> str:
        """The text of a file as the host sees it; empty when there is none."""
        top = self._written / path.lstrip("/")
        return _text(top) if os.path.lexists(top) else self.read_below(path)

    def read_below(self, path: str) -> str:
        """The text of a file as the image has it; empty when there is none."""
        return _text(self._in_layers(path))

    def _entry(
        self, place: Path, path: str, users: dict[int, str], groups: dict[int, str]
    ) -> Entry | None:
        if is_whiteout(place):
            return None
        entry = _read(place, users, groups)
        if entry.content == "directory" and is_opaque(place) and self.below(path):
            return Entry("directory, emptied first", entry.permission)
        return entry

    def _in_layers(self, path: str) -> Path | None:
        """Where the path is in the image, with what upper layers hide left out."""
        for layer in self._layers:
            place, opaque = layer, False
            for part in Path(path.lstrip("/")).parts:
                place = place / part
                if not os.path.lexists(place):
                    break
                if is_whiteout(place):
                    return None
                opaque = opaque or is_opaque(place)
            else:
                return place
            if opaque:
                return None
        return None

    def _names(self, kind: str) -> dict[int, str]:
        """Numbers and names of the host's users (`passwd`) or groups (`group`)."""
        fields = [line.split(":") for line in self.read(f"/etc/{kind}").splitlines()]
        return {int(line[2]): line[0] for line in fields if len(line) > 3 and line[2].isdigit()}


def is_whiteout(place: Path) -> bool:
    """Whether it stands for a deletion."""
    found = place.lstat()
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def is_opaque(place: Path) -> bool:
    """Whether a folder hides what the layers below have in it."""
    try:
        return os.getxattr(place, OPAQUE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def _text(place: Path | None) -> str:
    if place is None or not stat.S_ISREG(place.lstat().st_mode):
        return ""
    return place.read_text(errors="replace")


def _read(place: Path, users: dict[int, str], groups: dict[int, str]) -> Entry:
    found = place.lstat()
    owner = users.get(found.st_uid, str(found.st_uid))
    group = groups.get(found.st_gid, str(found.st_gid))
    mode = "" if stat.S_ISLNK(found.st_mode) else f"{stat.S_IMODE(found.st_mode):04o} "
    return Entry(_content(place, found), f"{mode}{owner}:{group}")


def _content(place: Path, found: os.stat_result) -> str:
    if stat.S_ISREG(found.st_mode):
        with place.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if stat.S_ISDIR(found.st_mode):
        return "directory"
    if stat.S_ISLNK(found.st_mode):
        return f"-> {place.readlink()}"
    return f"special {stat.S_IFMT(found.st_mode):o} {found.st_rdev}"
