"""Remedies: what can be done about a cause. One small file each in ``tasks/remedies``.

A remedy does not act. It looks at the host through an `Observer`, and either proposes actions with
their effects, way back and proof, or says why it is not the one. What it proposes is carried out by
the flow's steps, under an operation id each, so every remedy is idempotent and resumable.
"""

from collections.abc import Mapping
from typing import Protocol

from pydantic import Field

from autoloop.core.app import AppSpec, Component, Risk
from autoloop.core.diagnosis import Cause
from autoloop.core.effect import Effect
from autoloop.core.facts import Facts
from autoloop.core.target import Action, Observer, RunCommand
from autoloop.core.words import Frozen, Words


class Context(Frozen):
    """What a remedy may know: the application, the facts, and the cause it is asked about."""

    spec: AppSpec
    facts: Facts
    cause: Cause

    @property
    def component(self) -> Component:
        """The component that the cause is in."""
        return self.spec.component(self.cause.component)


class PlannedAction(Frozen):
    """One action and its way back. Files go back by the journal, commands by their *inverse*."""

    action: Action
    inverse: RunCommand | None = None


class Proposal(Frozen):
    """What a remedy would do, complete enough to be judged before anything happens.

    *backup* is false where nothing of the application is changed, and a backup might not fit.
    *cause* is the name of the cause that it was chosen for.
    """

    remedy: str
    why: Words
    actions: tuple[PlannedAction, ...]
    effects: tuple[Effect, ...]
    risk: Risk
    reversible: bool = True
    rehearsable: bool = False
    backup: bool = True
    files: dict[str, str] = Field(default_factory=dict)  # path: SHA-256 that proves it
    cause: str = ""


class Refusal(Frozen):
    """Why a remedy is not the one, in words for a person. *person* means: only a person can."""

    remedy: str
    why: Words
    person: bool = False


class Remedy(Protocol):
    """One way to cure one or more causes."""

    name: str
    cures: frozenset[str]
    rank: int  # smaller is tried first
    words: Words

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Prove the preconditions on the host and declare what would be done."""
        ...

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:
        """The contents, by SHA-256, that the proposal needs and the host's store lacks.

        They may hold secrets, so they are made again when they are needed and never stored.
        """
        ...
