"""Which files belong to a Python package of the managed app, by the package's own list."""

import csv
import posixpath
import re
from collections.abc import Iterable

from autoloop.arena.disk import Disk


def files_of(disk: Disk, paths: Iterable[str], package: str, environment: str) -> set[str]:
    """Paths of the package's files and folders, as it is now and as it was in the image.

    `paths` are the ones that changed: only a package that was installed, upgraded or removed
    has its list among them.
    """
    lists = _lists(paths, package, environment)
    found: set[str] = set()
    for site, folder in lists:
        record = f"{folder}/RECORD"
        for text in (disk.read(record), disk.read_below(record)):
            for row in csv.reader(text.splitlines()):
                found |= _with_folders(posixpath.normpath(f"{site}/{row[0]}"), site)
        found.add(folder)
    return found


def _lists(paths: Iterable[str], package: str, environment: str) -> set[tuple[str, str]]:
    """Each `site-packages` and the folder in it that describes the package."""
    name = re.sub(r"[-_.]+", "[-_.]+", re.sub(r"[^A-Za-z0-9._-]", "", package))
    site = rf"{re.escape(environment.rstrip('/'))}/lib/python[\d.]+/site-packages"
    folder = re.compile(rf"(({site})/{name}-[^/]+\.dist-info)(/.*)?", re.I)
    return {(found[2], found[1]) for path in paths if (found := folder.fullmatch(path))}


def _with_folders(path: str, site: str) -> set[str]:
    found = {path}
    while posixpath.dirname(path).startswith(f"{site}/"):
        path = posixpath.dirname(path)
        found.add(path)
    return found
