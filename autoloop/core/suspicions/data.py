"""Data that is damaged itself."""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Drift, Facts
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import healthy, last_line, same_content, suffers

_WORDS = ("malformed", "not a database")


def data_damaged(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A database file of the component is not sound: SQLite itself says so."""
    own = [path for path in facts.damaged if part in spec.affected((path,))]
    if not own:
        return None
    log = facts.of(part).log
    said = next((line for word in _WORDS if (line := last_line(log, word))), "")
    return Finding(
        verdict="confirms",
        name="DATABASE.data_corruption",
        component=part.name,
        culprit=own[0],
        likelihood=0.98,
        depth=33,
        evidence=(
            *(Evidence(source=path, excerpt=facts.damaged[path]) for path in own),
            Evidence(source=f"log of {part.unit}", excerpt=said),
        ),
    )


def data_gone(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The file of a database is gone, or another, much emptier one stands in its place: what the
    application finds there is not its data, whatever can be made to work with it."""
    lost = lost_data(spec, facts)
    if lost is None or part not in spec.affected((lost.path,)) or not suffers(spec, facts, part):
        return None
    gone = lost.now.kind == "absent"
    replaced = "was replaced by another, much emptier one since all was well"
    what = "is gone since all was well" if gone else replaced
    return Finding(
        verdict="confirms",
        name="CONFIG.missing_file" if gone else "DATABASE.data_corruption",
        component=part.name,
        culprit=lost.path,
        likelihood=0.95,
        depth=34,
        evidence=(Evidence(source=lost.path, excerpt=what),),
    )


def lost_data(spec: AppSpec, facts: Facts) -> Drift | None:
    """A database that is gone, or in whose place there is another, much emptier one."""
    own = (drift for drift in facts.drift if drift.path in spec.data.sqlite)
    return next((drift for drift in own if not same_content(drift)), None)


def data_locked(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A process that is none of the component's holds a database for itself, and the component
    gets nowhere, or says that it is locked."""
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return None
    said = last_line(facts.of(part).log, "locked")
    waits = facts.health.status == 0 or (part.name in facts.direct and not _answers(facts, part))
    for lock in facts.locks:
        stranger = lock.kind == "WRITE" and lock.unit != part.unit
        if stranger and part in spec.affected((lock.path,)) and (said or waits):
            command = lock.command[:200]
            holder = f"process {lock.pid} holds it for writing: {command}"
            if lock.unit:
                holder = f"process {lock.pid} of {lock.unit} holds it for writing: {command}"
            return Finding(
                verdict="confirms",
                name="DATABASE.deadlock_or_lock_timeout",
                component=part.name,
                culprit=lock.path,
                likelihood=0.9,
                depth=27,  # programs that would look into it wait for it as well
                evidence=(
                    Evidence(source=lock.path, excerpt=holder),
                    Evidence(source=f"log of {part.unit}", excerpt=said),
                ),
            )
    return None


def _answers(facts: Facts, part: Component) -> bool:
    return 0 < facts.direct[part.name].status < 500
