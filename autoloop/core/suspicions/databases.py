"""Databases that let the application in and hold it back, by what they tell its own account.

The agent asks them when it has logged in (`autoloop.agent.postgresql`, `autoloop.agent.mysql`).
"""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import healthy, suffers
from autoloop.core.suspicions.servers import owner_of

WAITED_S = 2
"""Shorter waits for a lock are part of an ordinary day."""
FULL = 0.9  # of its connections
_NO_CHANGES = re.compile(r"(?i)read[- _]only")
_TOO_MANY = re.compile(r"(?i)too many connections")


def server_holds_back(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The server lets the application in, but its sessions wait there for a lock of another's."""
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return None
    own = (one for one in facts.reach if one.component == part.name)
    held = [(one, wait) for one in own for wait in one.waits if wait.seconds >= WAITED_S]
    if not held:
        return None
    one, wait = max(held, key=lambda pair: pair[1].seconds)
    whose = " ".join(word for word in (wait.user, wait.program) if word) or "?"
    so_long = f"{len(held)} sessions of {one.user} wait for {wait.what}, {wait.seconds} s so far"
    blocked = f"process {wait.pid} of {whose} is in their way"
    if not wait.pid:
        blocked = "who is in their way is not told to this account"
    return Finding(
        verdict="confirms",
        name="DATABASE.deadlock_or_lock_timeout",
        component=(owner_of(spec, part, one) or part).name,
        culprit=wait.what,
        likelihood=0.9,
        depth=25,
        evidence=(
            Evidence(source=one.server, excerpt=so_long),
            Evidence(source=one.server, excerpt=blocked),
        ),
    )


def server_takes_no_changes(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The server lets the application in and takes no changes of it.

    That is ordinary for a server that is only read. Where the component's log speaks of it, it is
    nearly sure to be the cause, and likely where reading works and changing does not.
    """
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return None
    one = next((r for r in facts.reach if r.component == part.name and r.read_only), None)
    if one is None:
        return None
    spoken = matching(facts, part, _NO_CHANGES)
    sure = spoken or only_changes_fail(spec, facts)
    seen = f"its setting {one.read_only} is on"
    if one.replica:
        seen = f"its setting {one.read_only} is on, and it follows another server"
    return Finding(
        verdict="confirms",
        name="DATABASE.read_only_db",
        component=(owner_of(spec, part, one) or part).name,
        culprit=one.server,
        likelihood=0.9 if spoken else 0.8 if sure else 0.4,
        depth=26 if sure else 6,
        evidence=(
            Evidence(source=one.server, excerpt=seen),
            Evidence(source=f"log of {part.unit}", excerpt=spoken),
        ),
    )


def only_changes_fail(spec: AppSpec, facts: Facts) -> bool:
    """Whether all that fails is a request to change something, and something is read well."""
    failing = {result.name for result in facts.failing}
    reads = {case.name for case in spec.cases if case.method in ("GET", "HEAD")}
    return bool(failing) and not failing & reads and bool(reads)


def server_nearly_full(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The server let us in, but it has hardly a connection left, and the component's log says that
    it was turned away for that."""
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return None
    own = (r for r in facts.reach if r.component == part.name and r.most)
    one = next((r for r in own if r.connections >= FULL * r.most), None)
    spoken = matching(facts, part, _TOO_MANY)
    if one is None or not spoken:
        return None
    in_use = f"{one.connections} of {one.most} connections are in use"
    return Finding(
        verdict="confirms",
        name="DATABASE.too_many_connections",
        component=(owner_of(spec, part, one) or part).name,
        culprit=one.server,
        likelihood=0.85,
        depth=25,
        evidence=(
            Evidence(source=one.server, excerpt=in_use),
            Evidence(source=f"log of {part.unit}", excerpt=spoken),
        ),
    )


def matching(facts: Facts, part: Component, words: re.Pattern[str]) -> str:
    """The newest line of the component's log that the words are in, or nothing."""
    lines = reversed(facts.of(part).log.splitlines())
    return next((line.strip() for line in lines if words.search(line)), "")[:300]
