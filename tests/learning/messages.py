"""Whether programs' own messages are read as the programs mean them: by the calls that log them.

A call that logs says with its level what the program thinks of its message. Of the archives of
sources that are named, messages of information, warning and error are drawn at random and read
twice: as a program writes them, with the level, and as the bare sentence. Prints the share of each
level that is called an error.

    apt-get source --download-only redis haproxy zookeeper
    .venv/bin/python tests/learning/messages.py *.orig*.tar.?z *.orig*.tar.bz2
"""

import json
import random
import re
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading import text_engine

DRAWN = {"info": 6000, "error": 6000, "warn": 2000}
LONGEST_FILE, LONGEST, FEWEST = 2_000_000, 240, 14
"""Bytes of a source that is read; characters of a message."""

_SOURCE = re.compile(r"\.(?:c|h|cc|cpp|hpp|go|py|java|rb|erl|js|ts|php|pl|pm|lua|rs|scala|cs|ex)$")
_ASIDE = re.compile(r"(?:^|/)(?:tests?|testing|t|docs?|examples?)/|_test\.")
_STRING = r"""[fFrRbu]{0,2}("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.){8,}')"""
_CALL = re.compile(rf"""([A-Za-z_][\w.>:-]{{0,60}})\s*\(([^"';{{}}]{{0,160}}?){_STRING}""")
_MORE = re.compile(rf"\s*(?:\+\s*)?{_STRING}")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_LEVELS = {
    word: level
    for level, words in {
        "debug": "debug dbg verbose",
        "info": "info notice",
        "warn": "warn warning",
        "error": "err error crit critical fatal emerg panic exception severe",
    }.items()
    for word in words.split()
}
_PLACES = (
    (re.compile(r"%[-+0 #]*[\d.*]*(?:hh?|ll?|z|j|t|q)?[diu]"), "3"),
    (re.compile(r"%[-+0 #]*[\d.*]*(?:hh?|ll?|z)?[xXp]"), "7f3a"),
    (re.compile(r"%[-+0]*[\d.*]*[fgeG]"), "0.5"),
    (re.compile(r"%(?:\(\w+\)|[-+#\d.*]*)[svqTr]|[$#]?\{[^{}]*\}|~[pswBbcPWi]"), "orders"),
    (re.compile(r"\\[nrt]"), " "),
)
"""Places for values in a template, and what is put there."""


def level_of(call: str, arguments: str) -> str:
    """The level that a call says, in what stands before its message or in its name."""
    for part in (arguments, call):
        for word in _WORD.findall(part):
            if level := _LEVELS.get(word.lower()):
                return level
    return ""


def filled(template: str) -> str:
    """*template* with values, in one line."""
    for place, value in _PLACES:
        template = place.sub(value, template)
    return " ".join(template.replace('\\"', '"').replace("%%", "%").split())


def messages(source: str) -> Iterator[tuple[str, str]]:
    """The level and the message of each call in *source* that logs one."""
    for found in _CALL.finditer(source):
        level, template, end = level_of(found[1], found[2]), found[3][1:-1], found.end()
        while level and (more := _MORE.match(source, end)):
            template, end = template + more[1][1:-1], more.end()
        message = filled(template)
        told = "%m" not in template and FEWEST <= len(message) <= LONGEST
        if level in DRAWN and told and message.count(" ") > 1:
            yield level, message


def sources(archive: Path) -> Iterator[str]:
    """The sources in an archive but for those of tests, documents and examples."""
    with tarfile.open(archive) as files:
        for each in files:
            name, size = each.name, each.size
            if each.isfile() and size <= LONGEST_FILE and _SOURCE.search(name):
                file = None if _ASIDE.search(name) else files.extractfile(each)
                if file:
                    yield file.read().decode("utf-8", "replace")


def main() -> None:
    """Draw, read, and tell."""
    if not sys.argv[1:]:
        sys.exit(__doc__)
    known: dict[str, str] = {}
    for named in sys.argv[1:]:
        for source in sources(Path(named)):
            for level, message in messages(source):
                known.setdefault(message, level)
    engine, chance = text_engine(), random.Random(7)
    figures: dict[str, dict[str, float]] = {}
    for level, most in DRAWN.items():
        every = sorted(message for message, its in known.items() if its == level)
        drawn = chance.sample(every, min(most, len(every)))
        called = Counter[str]()
        for message in drawn:
            written = f"2026-03-03 10:00:07,123 {level.upper()} [main] shop: {message}"
            for form, text in (("with its level", written), ("alone", message)):
                called[form] += engine.read(text, most=1)[0].name != BENIGN
        share = {form: round(count / len(drawn), 3) for form, count in called.items()}
        figures[level] = {"drawn": len(drawn), **share}
    print(json.dumps({"messages": len(known), "called an error": figures}))


if __name__ == "__main__":
    main()
