"""What is made of the tables beforehand (`make signatures`), so that answers come sooner."""

import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from typing import Any

from autoloop.core.reading.grammar import alternatives
from autoloop.core.reading.signatures import FILES, Book, apart, contexts_of, read
from autoloop.core.reading.tables import digest, text

TABLES = (*FILES, "contexts", "culprits", "grammar", "names", "stated")

_WORD = re.compile(r"(?<![\\a-z])[a-z]{3,20}")


def beforehand() -> Iterator[tuple[str, str]]:
    """The name of each file of ``signatures/beforehand``, and its contents."""
    tables = {name: tomllib.loads(text(name)) for name in TABLES}
    for name, table in tables.items():
        yield f"{name}.json", _json(digest(name), table=table)
    signatures = tuple(read(tables))
    patterns = [pattern for each in signatures for pattern in each.patterns]
    examples = [text.lower() for each in signatures for text, _ in each.examples]

    @cache
    def common(word: str) -> int:
        """Examples in which *word* occurs."""
        return sum(word in example for example in examples)

    taken_apart = [apart(pattern, common) for pattern in patterns]
    of = digest(*FILES, "contexts")
    rows = [[(len(part), *words) for part, *words in parts] for parts in taken_apart]
    yield "patterns.json", _json(of, patterns=rows)
    book = Book(signatures, contexts_of(tables["contexts"]), (taken_apart, None))
    yield "filed.json", _json(of, filed=book.filed)
    needed, filed = alternatives(tables["grammar"]).kept
    yield "alternatives.json", _json(digest("grammar"), needed=needed, filed=filed)
    yield "wordings.txt", "\n".join(sorted(set(_WORD.findall(" ".join(patterns))))) + "\n"


def _json(of: str, **parts: Any) -> str:
    """An object with the digest of what it is made *of*, and a line for each entry of its parts."""
    return _lines({"of": of, **parts}, 3) + "\n"


def _lines(value: Any, deep: int) -> str:
    """JSON with the entries of what is not so deep on lines of their own."""
    if not deep or not isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if isinstance(value, list):
        return "[\n" + ",\n".join(_lines(each, deep - 1) for each in value) + "\n]"
    entries = (
        f"{json.dumps(key, ensure_ascii=False)}: {_lines(each, deep - 1)}"
        for key, each in value.items()
    )
    return "{\n" + ",\n".join(entries) + "\n}"
