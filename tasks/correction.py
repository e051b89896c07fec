"""Settings files that are not as an application declares them, and how they become so."""

import contextlib
import hashlib
from collections.abc import Mapping

from autoloop.core.deployment import Comparison
from autoloop.core.errors import BadRequest
from autoloop.core.expected import LARGEST, found_in, reads_of
from autoloop.core.settings_file import with_settings
from autoloop.core.target import FileChange, FileState, Read
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from blocks.wish import Wish
from tasks.step import step
from tasks.target import session_of, spec_of


class Correction(Frozen):
    """What is *wrong* in a file, and the change that puts it right; None when nobody may."""

    wrong: str
    change: FileChange | None = None


def corrected(work: Work, but: str = "") -> tuple[Correction, ...]:
    """The settings that are not as declared, *but* for one file; of a file there is one change."""
    asked = [one for one in spec_of(work).deploy.expect if one.file and one.file != but]
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


def contents_of_corrections(work: Work, comparison: Comparison) -> dict[str, bytes]:
    """The changed settings files by hash; made anew, as they may hold secrets."""
    made: dict[str, bytes] = {}
    wanted = declared_values(work) if comparison.source else {}
    for effect in comparison.sets[:1]:
        path = effect.subject.rpartition("#")[0]
        wanted[path] = {**declared_values(work).get(path, {}), **wished(comparison.wish)}
    for path, keys in wanted.items():
        data = set_in_file(work, path, keys)[2]
        made[hashlib.sha256(data).hexdigest()] = data
    return made


def declared_values(work: Work) -> dict[str, dict[str, str]]:
    """The settings that may be corrected, by their file."""
    values: dict[str, dict[str, str]] = {}
    for one in spec_of(work).deploy.expect:
        if one.file and one.correct:
            values.setdefault(one.file, {})[one.key] = one.value
    return values


def _correction(work: Work, path: str, values: Mapping[str, str]) -> Correction:
    wrong = f"{path}: {', '.join(values)}"
    try:
        now, _, data = set_in_file(work, path, values)
    except ValueError as error:
        return Correction(wrong=str(error))
    after = now.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    return Correction(wrong=wrong, change=FileChange(path=path, before=now, after=after))


def wished(wish: str) -> dict[str, str]:
    """The settings that a change asks for."""
    if not wish:
        return {}
    block = Wish.load(wish)
    assert isinstance(block, Wish)
    return block.values()


@step()
def forget_wish(work: Work, wish: str) -> Work:
    """The block with the settings is gone; what they were for has ended."""
    if wish:
        with contextlib.suppress(ValueError):  # there is no such block any more
            Wish.delete(wish)
    return work


def settings_file_of(work: Work, component: str) -> str:
    """The settings file of *component*, or the only one there is when that is empty.

    Raises:
        BadRequest: there is none, or a component must be named.
    """
    parts = [part for part in spec_of(work).components if part.settings]
    found = [part.settings for part in parts if component in ("", part.name)]
    if len(set(found)) != 1:
        names = ", ".join(part.name for part in parts) or "none"
        what = f"whose settings? components with a settings file: {names}"
        raise BadRequest("--set", what, "name one with --component")
    return found[0]


def set_in_file(work: Work, path: str, values: Mapping[str, str]) -> tuple[FileState, str, bytes]:
    """The settings file at *path* as it is, its text, and its content with *values* set.

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
    return now, data.decode(), with_settings(data.decode(), values).encode()
