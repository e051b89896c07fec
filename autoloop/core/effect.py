"""Effects: the vocabulary in which a change is declared, compared, undone and judged."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from autoloop.core.words import Frozen

EffectKind = Literal[
    "file",  # subject: path; before, after: SHA-256 of the content; detail: mode, owner
    "tree",  # subject: path; before, after: release id
    "package",  # subject: name of a package or an environment; before, after: version
    "unit",  # subject: unit; before, after: state
    "process",  # subject: program; before: "running"; after: None
    "listener",  # subject: port; before, after: program
    "rows",  # subject: table; detail: key, count
    "schema",  # subject: table or migration
    "setting",  # subject: file#KEY; before, after: redacted values
    "permission",  # subject: path; before, after: "mode owner:group"
    "user",  # subject: account
    "external",  # subject: what was called outside the host
]


class Effect(Frozen):
    """One change of one thing. ``None`` before means it did not exist, after that it is gone."""

    kind: EffectKind
    subject: str = Field(min_length=1)
    before: str | None = None
    after: str | None = None
    detail: dict[str, str] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.before or '-'} → {self.after or '-'}"


def undeclared(declared: Iterable[Effect], observed: Iterable[Effect]) -> tuple[Effect, ...]:
    """What happened that no plan said: the drift for which an approval is void.

    An observed effect is covered by a declared one of the same kind and subject whose *after*
    is the same or left open (``None`` with ``detail["after"] == "any"``).
    """
    allowed = {(e.kind, e.subject): e for e in declared}
    return tuple(o for o in observed if not _covers(allowed.get((o.kind, o.subject)), o))


def _covers(declared: Effect | None, observed: Effect) -> bool:
    if declared is None:
        return False
    return declared.detail.get("after") == "any" or declared.after == observed.after
