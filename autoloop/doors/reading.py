"""``autoloop diagnose``: what an error text means, and with an application what its host shows."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.errors import BadRequest
from autoloop.core.incident import TEXT_LIMIT
from autoloop.core.reading import text_engine


def read_text(text: str) -> dict[str, Any]:
    """The causes of one text, most likely first. No platform and no host is needed."""
    return {"causes": [cause.model_dump(mode="json") for cause in text_engine().read(text)]}


def read_with_host(text: str, app: str) -> dict[str, Any]:
    """The diagnosis of an application's live host, ranked with what the text says.

    Raises:
        NotFound: the application is not under care.
        HostUnreachable: its host does not answer.
    """
    from autoloop.core.diagnose import informed
    from autoloop.core.experience import experienced
    from autoloop.doors import client
    from autoloop.ledger.memories import Memories

    book = client.ledger()
    name = client.only_app(book, app)
    found: Diagnosis = experienced(client.look(name).diagnosis, Memories(book).outcomes(name))
    return informed(found, text_engine().read(text)).model_dump(mode="json")


def read_records(lines: Iterable[str]) -> Iterator[str]:
    """One JSON object a line for each record with ``id`` and ``text``.

    Raises:
        BadRequest: a line is no such record; it is named.
    """
    engine = text_engine()
    for number, line in enumerate(lines, 1):
        if line.strip():
            identity, text = _record(line, number)
            row = {"id": identity, **flat(engine.read(text, most=1)[0])}
            yield json.dumps(row, ensure_ascii=False)


def ends_of(stream: BinaryIO, limit: int = 4 * TEXT_LIMIT) -> str:
    """The text of *stream*, whatever its bytes; of a long one the beginning and the end.

    At most about twice *limit* bytes are held at a time.
    """
    head = stream.read(limit)
    tail, size = b"", 0
    while piece := stream.read(1 << 20):
        size += len(piece)
        tail = (tail + piece)[-limit:]
    cut = size - len(tail)
    middle = f"\n… {cut} bytes cut …\n".encode() if cut else b""
    return (head + middle + tail).decode("utf-8", "replace")


def _record(line: str, number: int) -> tuple[Any, str]:
    try:
        record = json.loads(line)
        return record["id"], str(record["text"])
    except (ValueError, KeyError, TypeError, RecursionError):
        what = "is no JSON object with id and text"
        raise BadRequest(f"line {number}", what, "correct that line") from None


def flat(cause: Cause) -> dict[str, Any]:
    """A cause as one row: class, subtype, culprit, confidence, evidence."""
    error_class, _, subtype = cause.name.partition(".")
    return {
        "class": error_class,
        "subtype": subtype,
        "culprit": cause.culprit,
        "confidence": cause.confidence,
        "evidence": [{"source": e.source, "excerpt": e.excerpt} for e in cause.evidence],
    }


def told(document: dict[str, Any]) -> str:
    """Causes for a person: each with its culprit, how sure it is, and the words that show it."""
    lines = []
    for number, cause in enumerate(document["causes"], 1):
        about = "  ".join(x for x in (cause["name"], cause["culprit"], cause.get("component")) if x)
        lines.append(f"{number}. {about}  {cause['confidence']:.0%}")
        lines += [f"   {e['source']}: {' '.join(e['excerpt'].split())}" for e in cause["evidence"]]
    return "\n".join(lines)
