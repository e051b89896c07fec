"""Data that is damaged itself."""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import last_line

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
