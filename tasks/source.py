"""Source trees on the platform's own disk."""

import hashlib
from pathlib import Path

from autoloop.core.errors import BadRequest
from autoloop.core.manifest import Entry, excluded, is_text


def read_tree(source: str, exclude: tuple[str, ...]) -> tuple[dict[str, Entry], dict[str, bytes]]:
    """The manifest of a folder and its contents by hash. Links that leave it are refused.

    Raises:
        BadRequest: it is no folder, is empty, or a link points out of it.
    """
    root = Path(source).expanduser()
    if not root.is_dir():
        raise BadRequest(f"source '{source}'", "is not a folder", "name the folder to deploy")
    manifest: dict[str, Entry] = {}
    contents: dict[str, bytes] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if excluded(name, exclude):
            continue
        if not is_text(name):
            what = "has a name that is not UTF-8"
            raise BadRequest(f"source file {name!r}", what, "rename it, or exclude it")
        if path.is_symlink():
            target = str(path.readlink())
            if not path.resolve().is_relative_to(root.resolve()):
                what = f"links to '{target}', outside of the source"
                raise BadRequest(f"source file '{name}'", what, "copy the file, or exclude it")
            manifest[name] = Entry(kind="link", link=target)
        elif path.is_dir():
            manifest[name] = Entry(kind="dir")
        elif path.is_file():
            data = path.read_bytes()
            sha = hashlib.sha256(data).hexdigest()
            executable = bool(path.stat().st_mode & 0o100)
            manifest[name] = Entry(kind="file", sha256=sha, executable=executable)
            contents[sha] = data
    if not contents:
        raise BadRequest(f"source '{source}'", "holds no file", "name the folder to deploy")
    return manifest, contents
