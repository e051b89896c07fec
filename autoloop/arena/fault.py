"""A fault is a TOML file: how to break a healthy host, and how to tell that it is whole again.

All scripts are bash, run as root on the host. Before `healthy` and `keep` the functions of
`probes.sh` are defined: `app_works` and `nothing_lost` say for the managed app what nearly
every fault has to ask.
"""

import re
import tomllib
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from autoloop.arena.errors import BadFault

ErrorClass = Literal["DATABASE", "CODE", "CONFIG", "SERVICE", "LOGIN", "NONE"]
Script = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


class Fault(BaseModel):
    """One fault, or with class NONE a control: something that must be left alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{NAME.pattern}$")
    error_class: ErrorClass = Field(alias="class")
    subtype: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    also: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Z]+\.[a-z0-9_]+$")], ...] = ()
    culprit: str | None = None
    profile: Literal["sqlite", "postgres"] = "sqlite"  # of others the judge sees no rows
    told_by: Literal["watch", "report"] = "watch"
    report: str = ""
    auto: bool = True
    settle_s: float = Field(default=2, ge=0, le=600)
    inject: Script
    again: str = ""
    work: str = ""
    healthy: Script
    keep: Script
    good: tuple[Script, ...] = ()
    bad: tuple[Script, ...] = ()

    @model_validator(mode="after")
    def _told(self) -> Self:
        if self.told_by == "report" and not self.report.strip():
            raise ValueError("told_by is 'report', but report is empty")
        return self

    @property
    def is_control(self) -> bool:
        """Whether the right answer is to do nothing."""
        return self.error_class == "NONE"


def parse(text: str, name: str) -> Fault:
    """The fault that the TOML text describes. Raises `BadFault`, which says what is wrong."""
    place = f"fault {name}"
    try:
        fault = Fault.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadFault(place, f"not TOML: {error}", "correct the file") from error
    except ValidationError as error:
        wrong = "; ".join(_told_plainly(dict(one)) for one in error.errors())
        raise BadFault(place, wrong, "correct the file") from error
    if fault.name != name:
        raise BadFault(place, f"name is {fault.name!r}", "give it the name of the file")
    return fault


def load(folder: Path | None = None, names: Sequence[str] = ()) -> list[Fault]:
    """Faults by name, or all, of a folder; without a folder the ones that ship with this.

    Raises `BadFault` for the first that cannot be read.
    """
    if folder is None:
        with as_file(files("autoloop.arena") / "faults") as shipped:
            return load(shipped, names)
    found = sorted(path.stem for path in folder.glob("*.toml"))
    if missing := sorted(set(names) - set(found)):
        raise BadFault(f"faults in {folder}", f"no {', '.join(missing)}", f"choose of {found}")
    if not found:
        raise BadFault(f"faults in {folder}", "no *.toml there", "name another folder")
    return [_read(folder / f"{name}.toml") for name in found if not names or name in names]


def _read(path: Path) -> Fault:
    try:
        return parse(path.read_text(encoding="utf-8"), path.stem)
    except UnicodeDecodeError as error:
        raise BadFault(f"fault {path.stem}", f"not UTF-8: {error}", "correct the file") from error


def _told_plainly(error: dict[str, Any]) -> str:
    """One of pydantic's complaints, as `key: what, with the value`."""
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: no such key"
    if error["type"] == "missing":
        return f"{place}: missing"
    given = repr(error["input"]) if place else ""
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{place}: {said}, not {given[:80]}" if place else said
