"""Which changes a plan's declared effects cover.

Effects speak the product's vocabulary: `kind`, `subject`, `before`, `after`, `detail`. An
`after` of None says that the thing is gone; `detail["after"] == "any"` leaves its end open.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.state import SETTINGS

APP = "/srv/lingzhi"
How = Literal["created", "changed", "deleted"]
Kind = Literal[
    "file",
    "tree",
    "package",
    "unit",
    "process",
    "listener",
    "rows",
    "schema",
    "setting",
    "permission",
    "user",
    "external",
]
PackageFiles = Callable[[str, str], set[str]]


class Declared(BaseModel):
    """An effect as a plan declares it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Kind
    subject: str = Field(min_length=1)
    before: str | None = None
    after: str | None = None
    detail: dict[str, Any] = Field(default_factory=dict)

    @property
    def any_end(self) -> bool:
        """Whether the plan left open how it ends."""
        return self.detail.get("after") == "any"


@dataclass(frozen=True)
class Change:
    """One fact that is different; None where it was not there, or is not any more."""

    kind: str
    subject: str
    before: str | None
    after: str | None

    @property
    def how(self) -> How:
        """What happened to the thing."""
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "changed"

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.before or '-'} → {self.after or '-'}"


def effects(given: Iterable[Any]) -> list[Declared]:
    """Effects from JSON objects. Raises `JudgeFailed` for what is none."""
    try:
        return TypeAdapter(list[Declared]).validate_python(list(given))
    except ValidationError as error:
        raise JudgeFailed("effects", str(error), "declare effects in their own words") from error


@dataclass
class Covering:
    """Which changes the declared effects cover."""

    declared: Sequence[Declared]
    package_files: PackageFiles
    _packages: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def covers(self, change: Change) -> bool:
        """Whether any effect declares the change as it is."""
        return any(self._by(effect, change) for effect in self.declared)

    def _by(self, effect: Declared, change: Change) -> bool:
        if effect.kind in ("tree", "package"):
            return change.kind in ("file", "permission") and self._within(effect, change.subject)
        if effect.kind == change.kind:
            return SAME_KIND[effect.kind](effect, change)
        return ACROSS.get((effect.kind, change.kind), _never)(effect, change)

    def _within(self, effect: Declared, path: str) -> bool:
        """Whether the path is part of the declared tree, environment or package."""
        if effect.kind == "tree" or effect.subject.startswith("/"):
            return in_app(effect.subject) and _below(path, effect.subject)
        environment = str(effect.detail.get("environment", f"{APP}/venv"))
        if not in_app(environment):
            return False
        key = effect.subject, environment
        if key not in self._packages:
            self._packages[key] = self.package_files(*key)
        return path in self._packages[key]


def in_app(path: str) -> bool:
    """Whether the path is in the app's own folder."""
    return ".." not in PurePosixPath(path).parts and _below(path, APP)


def _below(path: str, top: str) -> bool:
    return PurePosixPath(path).is_relative_to(PurePosixPath(top))


def _ends_so(effect: Declared, change: Change) -> bool:
    """Gone when declared gone, there when declared there."""
    return effect.any_end or (effect.after is None) == (change.after is None)


def _file(effect: Declared, change: Change) -> bool:
    """The very path with the declared digest, or a new folder on the way to it."""
    new_folder = change.after == "directory" and change.before is None
    if new_folder and effect.after is not None and _below(effect.subject, change.subject):
        return True
    if effect.subject != change.subject or not _ends_so(effect, change):
        return False
    digest = _sha256(effect.after)
    return digest is None or effect.any_end or change.after == f"sha256:{digest}"


def _sha256(text: str | None) -> str | None:
    found = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})", text or "")
    return found and found[1]


def _unit(effect: Declared, change: Change) -> bool:
    """The unit, with no declared word about its end that is not so."""
    if effect.subject.removesuffix(".service") != change.subject.removesuffix(".service"):
        return False
    down = {"inactive": "down", "failed": "down", "stopped": "down", "running": "active"}
    said = {down.get(word, word) for word in re.findall(r"[a-z]+", effect.after or "")}
    known = {"active", "down", "enabled", "disabled", "masked"}
    return effect.any_end or said & known <= set(re.findall(r"[a-z]+", change.after or "down"))


def _process(effect: Declared, change: Change) -> bool:
    words = [*change.subject.split(), *map(_last, change.subject.split())]
    return _ends_so(effect, change) and effect.subject in (change.subject, *words)


def _last(word: str) -> str:
    return word.rpartition("/")[2]


def _listener(effect: Declared, change: Change) -> bool:
    """The same port; when a program is declared, that one holds it."""
    place, _, _ = change.subject.partition("/")
    wanted, _, _ = effect.subject.partition("/")
    if wanted not in (place, place.rpartition(":")[2]) or not _ends_so(effect, change):
        return False
    return effect.any_end or change.after is None or (effect.after or "") in change.after


def _rows(effect: Declared, change: Change) -> bool:
    """The table; at most as many more or fewer rows as were declared."""
    if effect.subject != change.subject:
        return False
    count = str(effect.detail.get("count", ""))
    return not count.lstrip("-").isdigit() or abs(_rows_more(change)) <= abs(int(count))


def _rows_more(change: Change) -> int:
    before, after = (int((text or "0").split()[0]) for text in (change.before, change.after))
    return after - before


def _schema(effect: Declared, change: Change) -> bool:
    """The table, or any when a migration is declared."""
    return _is_migration(effect) or effect.subject == change.subject


def _is_migration(effect: Declared) -> bool:
    return "migration" in effect.detail or "alembic" in effect.subject


def _rows_of_migration(effect: Declared, change: Change) -> bool:
    """A migration notes in the database that it was done."""
    return _is_migration(effect) and change.subject == "alembic_version"


def _setting(effect: Declared, change: Change) -> bool:
    """`file#KEY`, or the key alone with the file in the detail or left open."""
    if not _ends_so(effect, change):
        return False
    file, _, key = effect.subject.rpartition("#")
    file = file or str(effect.detail.get("file", SETTINGS))
    return change.subject in (effect.subject, f"{file}#{key}")


def _permission(effect: Declared, change: Change) -> bool:
    said = re.fullmatch(r"0*([0-7]{3,4})(?: (\S+))?", effect.after or "")
    found = re.fullmatch(r"0*([0-7]{3,4}) (\S+)", change.after or "")
    if effect.subject != change.subject or not said or not found:
        return False
    return said[1] == found[1] and said[2] in (None, found[2])


def _user(effect: Declared, change: Change) -> bool:
    return _ends_so(effect, change) and change.subject in (
        effect.subject,
        f"group {effect.subject}",
    )


def _mode_of_file(effect: Declared, change: Change) -> bool:
    """A declared file with declared mode and owner."""
    owner = str(effect.detail.get("owner", ""))
    mode = Declared(
        kind="permission",
        subject=effect.subject,
        after=f"{effect.detail.get('mode', '')} {owner}".strip(),
    )
    return _permission(mode, change)


def _file_of_setting(effect: Declared, change: Change) -> bool:
    """The file in which a setting was declared; its other settings are facts of their own."""
    file, _, _ = effect.subject.rpartition("#")
    file = file or str(effect.detail.get("file", SETTINGS))
    return change.subject == file and change.after is not None


def _link_of_unit(effect: Declared, change: Change) -> bool:
    """The links by which a unit is enabled or masked."""
    unit = effect.subject if "." in effect.subject else f"{effect.subject}.service"
    link = rf"/etc/systemd/system/(?:[^/]+\.(?:wants|requires)/)?{re.escape(unit)}"
    is_link = all((text or "->").startswith("->") for text in (change.before, change.after))
    return is_link and re.fullmatch(link, change.subject) is not None


def _setting_of_file(effect: Declared, change: Change) -> bool:
    """A setting in a file whose whole content was declared; the file is judged by its digest."""
    return change.subject.startswith(f"{effect.subject}#") and _sha256(effect.after) is not None


def _never(_effect: Declared, _change: Change) -> bool:
    return False


Rule = Callable[[Declared, Change], bool]
SAME_KIND: dict[str, Rule] = {
    "file": _file,
    "unit": _unit,
    "process": _process,
    "listener": _listener,
    "rows": _rows,
    "schema": _schema,
    "setting": _setting,
    "permission": _permission,
    "user": _user,
    "external": _never,
}
ACROSS: dict[tuple[str, str], Rule] = {
    ("file", "permission"): _mode_of_file,
    ("file", "setting"): _setting_of_file,
    ("setting", "file"): _file_of_setting,
    ("unit", "file"): _link_of_unit,
    ("schema", "rows"): _rows_of_migration,
}
