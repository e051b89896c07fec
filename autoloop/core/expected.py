"""Configuration checks: values that files, processes and databases must have."""

from collections.abc import Iterable, Mapping

from pydantic import Field, model_validator

from autoloop.core.redact import redact, redact_value
from autoloop.core.settings_file import parse_settings
from autoloop.core.target import Answer, Read
from autoloop.core.words import Frozen

LARGEST = 1 << 20
"""Bytes of a file that is looked into."""


class Expected(Frozen):
    """One value that must be so: of *key* in the settings *file*, of *key* in the environment of
    the *component*'s process, or what *query* gives in the database *sqlite*.

    With *correct* a deployment puts it right: the line of the file; or, in a database, by the
    statement *set*. What a process has follows from its file.
    """

    value: str
    file: str = ""
    component: str = ""
    key: str = ""
    sqlite: str = ""
    query: str = ""
    correct: bool = False
    set: str = Field(default="")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Expected":
        if sum(map(bool, (self.file, self.component, self.sqlite))) != 1:
            raise ValueError("name one of file, component and sqlite")
        if bool(self.key) == bool(self.sqlite) or bool(self.query) != bool(self.sqlite):
            raise ValueError("a file or component needs key, a database needs query")
        if self.correct and self.component:
            raise ValueError("a process has what its settings file says: correct that")
        if (self.correct and bool(self.sqlite)) != bool(self.set):
            raise ValueError("a database is corrected by the statement in set, with correct = true")
        return self

    @property
    def name(self) -> str:
        """What is checked, as people read it."""
        return f"{self.file or self.component}#{self.key}" if self.key else self.query

    def says(self, found: str | None) -> str:
        """What is wrong, without secrets; "" when *found* is what must be."""
        if found == self.value:
            return ""
        now = "is missing" if found is None else f"is {self.shown(found)}"
        return f"{self.name} {now}, must be {self.shown(self.value)}"

    def shown(self, value: str) -> str:
        """A value as people may see it."""
        return repr(redact_value(self.key, value) if self.key else redact(value)[:200])


def reads_of(expected: Iterable[Expected], pids: Mapping[str, int]) -> tuple[Read, ...]:
    """The batch that `found_in` reads the answers of.

    Args:
        pids: the process of each component; what is not there is not asked.
    """
    return tuple(_read(one, pids.get(one.component, 0)) for one in expected)


def _read(one: Expected, pid: int) -> Read:
    if one.sqlite:
        return Read(op="sqlite", args={"path": one.sqlite, "query": one.query})
    path = one.file or f"/proc/{pid}/environ"
    return Read(op="file", args={"path": path, "limit": LARGEST})


def found_in(one: Expected, answer: Answer) -> str | None:
    """The value that the host has; None when there is none."""
    if not answer.ok:
        return None
    if one.sqlite:
        value = answer.value["value"]
        return None if value is None else str(value)
    text = str(answer.value["text"])
    if one.component:
        pairs = (entry.partition("=") for entry in text.split("\0"))
        return {key: value for key, _, value in pairs}.get(one.key)
    return parse_settings(text).get(one.key)
