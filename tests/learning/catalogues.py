"""Which messages of a program mean another thing in its translation than in English.

Programs carry their messages in other languages in catalogues (``*.mo`` of gettext, and
``errmsg-utf8.txt`` of MariaDB). What is read of the English message should be read of its
translation too. Prints a line for each that differs: both answers, both messages.

    .venv/bin/python tests/learning/catalogues.py /usr/share/locale/zh_CN/LC_MESSAGES/postgres-15.mo
"""

import gettext
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading import text_engine

SURE = 0.85
"""The confidence of the English answer from which on it is compared."""

_PLACE = re.compile(r"%(?:\d\$)?[-.\d*]*(?:l|ll|z|h)?([a-zA-Z%])")
_NAMED = re.compile(r"^(?:ER|WARN)_\w+")
_SAID = re.compile(r'^\s+(eng|chi)\s+"(.*)"\s*$')


def filled(message: str) -> str:
    """*message* with a name, a number or nothing where a template has a place for it."""
    names = {"s": "orders", "T": "orders", "Q": "orders", "m": "", "%": "%"}
    return _PLACE.sub(lambda place: names.get(place[1], "7"), message)


def pairs(path: Path) -> Iterator[tuple[str, str]]:
    """Each message in English and in the language of the catalogue."""
    if path.suffix == ".mo":
        with path.open("rb") as file:
            # gettext gives out single messages only, and of all of them it is asked here
            known = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
        for english, other in known.items():
            if isinstance(english, str) and english and "\n" not in english.strip():
                yield english.strip(), other.strip()
        return
    said: dict[str, str] = {}
    for line in [*path.read_text("utf-8", "replace").splitlines(), "ER_END"]:
        if _NAMED.match(line):
            if len(said) > 1:
                yield said["eng"], said["chi"]
            said = {}
        elif found := _SAID.match(line):
            said[found[1]] = found[2].replace('\\"', '"')


def main() -> None:
    """Compare, and count."""
    if not sys.argv[1:]:
        sys.exit(__doc__)
    engine, same, other = text_engine(), 0, 0
    for path in map(Path, sys.argv[1:]):
        for english, translated in pairs(path):
            known = engine.read("ERROR:  " + filled(english))[0]
            if known.name == BENIGN or known.confidence < SURE:
                continue
            read = engine.read("错误:  " + filled(translated))[0]
            if read.name == known.name:
                same += 1
            else:
                other += 1
                print(known.name, read.name, english, translated, sep=" | ")
    print(f"{same} are read alike, {other} are not", file=sys.stderr)


if __name__ == "__main__":
    main()
