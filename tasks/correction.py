"""Settings files that are not as an application declares them, and how they become so."""

import hashlib
from collections.abc import Mapping

from autoloop.core.expected import LARGEST, found_in, reads_of
from autoloop.core.settings_file import with_settings
from autoloop.core.target import FileChange, FileState, Read
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.target import session_of, spec_of


class Correction(Frozen):
    """What is *wrong* in a file, and the change that puts it right; None when nobody may."""

    wrong: str
    change: FileChange | None = None


def corrected(work: Work) -> tuple[Correction, ...]:
    """The settings that are not as declared; of one file there is one change."""
    asked = [one for one in spec_of(work).deploy.expect if one.file]
    answers = session_of(work).observe(reads_of(asked, {}), 60) if asked else ()
    found: list[Correction] = []
    values: dict[str, dict[str, str]] = {}
    for one, answer in zip(asked, answers, strict=True):
        if wrong := one.says(found_in(one, answer)):
            if one.correct:
                values.setdefault(one.file, {})[one.key] = one.value
            else:
                found.append(Correction(wrong=wrong))
    return (*found, *(_correction(work, path, keys) for path, keys in values.items()))


def contents_of_corrections(work: Work) -> dict[str, bytes]:
    """The corrected files by hash; made anew, as they may hold secrets."""
    made: dict[str, bytes] = {}
    for path, keys in _values(work).items():
        _, data = set_in_file(work, path, keys)
        made[hashlib.sha256(data).hexdigest()] = data
    return made


def _values(work: Work) -> dict[str, dict[str, str]]:
    values: dict[str, dict[str, str]] = {}
    for one in spec_of(work).deploy.expect:
        if one.file and one.correct:
            values.setdefault(one.file, {})[one.key] = one.value
    return values


def _correction(work: Work, path: str, values: Mapping[str, str]) -> Correction:
    wrong = f"{path}: {', '.join(values)}"
    try:
        now, data = set_in_file(work, path, values)
    except ValueError as error:
        return Correction(wrong=str(error))
    after = now.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    return Correction(wrong=wrong, change=FileChange(path=path, before=now, after=after))


def set_in_file(work: Work, path: str, values: Mapping[str, str]) -> tuple[FileState, bytes]:
    """The settings file at *path* as it is, and its content with *values* set.

    Raises:
        ValueError: it is not there, is no text, is too large, or cannot hold a value.
    """
    reads = [
        Read(op="stat", args={"path": path}),
        Read(op="file", args={"path": path, "limit": LARGEST}),
    ]
    stat, text = session_of(work).observe(reads, 60)
    if not (stat.ok and text.ok) or stat.value["kind"] != "file":
        raise ValueError(f"{path}: is no file that can be read")
    now, data = FileState.model_validate(stat.value), str(text.value["text"]).encode()
    if hashlib.sha256(data).hexdigest() != now.sha256:
        raise ValueError(f"{path}: is not a text of at most {LARGEST} bytes, or is being written")
    return now, with_settings(data.decode(), values).encode()
