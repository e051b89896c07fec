"""Tables: the data of the engine, in ``signatures/NAME.toml``.

Reading TOML and taking patterns apart would take most of the start. What is made of a file
beforehand (`beforehand`) is taken as long as it is of the very text that the file has now.
"""

import json
import tomllib
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

FOLDER = files("autoloop.core.reading") / "signatures"
BEFOREHAND = FOLDER / "beforehand"


def table(name: str) -> dict[str, Any]:
    """The contents of the file of that name."""
    kept = made(name, name)
    found: dict[str, Any] = tomllib.loads(text(name)) if kept is None else kept["table"]
    return found


def text(name: str) -> str:
    """The text of the file of that name."""
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8")


def digest(*names: str) -> str:
    """Tells the texts of these files, as the process found them first, from all others."""
    return sha256(" ".join(map(_digest, names)).encode()).hexdigest()


@cache
def _digest(name: str) -> str:
    return sha256(text(name).encode()).hexdigest()


def made(what: str, *names: str) -> dict[str, Any] | None:
    """What was made beforehand of the files of these names; nothing if they are other ones now."""
    file = BEFOREHAND / f"{what}.json"
    if not file.is_file():
        return None
    kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return kept if kept["of"] == digest(*names) else None
