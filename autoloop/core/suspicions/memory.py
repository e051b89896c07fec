"""Services that take more and more memory."""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts, Memory
from autoloop.core.probe import Finding
from autoloop.core.suspicions.disk import megabytes
from autoloop.core.suspicions.seen import last_line

KILLED = ("oom-kill", "OOM killer", "Out of memory")
AGAIN = 3


def memory_leak(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """It uses more memory than is declared; or the kernel ended it for that, the last time or
    again and again."""
    own = facts.of(part)
    state, memory = own.service, own.memory
    over = bool(memory and part.memory_mb and memory.bytes > part.memory_mb * 1e6)
    said = next((line for word in KILLED if (line := last_line(own.log, word))), "")
    down = state.activity != "running" and state.result == "oom-kill"
    again = state.restarts >= AGAIN and bool(said)
    if not (over or down or again):
        return None
    used = _used(memory, part.memory_mb) if memory and part.memory_mb else ""
    killed = f"{state.activity}, result {state.result}, {state.restarts} restarts in a row"
    return Finding(
        verdict="confirms",
        name="SERVICE.memory_leak",
        component=part.name,
        culprit=part.unit,
        likelihood=0.95,
        depth=23,
        alone=True,
        evidence=(
            Evidence(source=f"memory of {part.unit}", excerpt=used),
            Evidence(source=f"{part.manager} {part.unit}", excerpt=killed if said or down else ""),
            Evidence(source=f"log of {part.unit}", excerpt=said),
        ),
    )


def _used(memory: Memory, allowed_mb: float) -> str:
    grown = f", {megabytes(memory.before)} shortly before" if memory.before else ""
    return (
        f"{memory.processes} processes use {megabytes(memory.bytes)}{grown}; allowed are"
        f" {allowed_mb:g} MB; the biggest, with {megabytes(memory.biggest)}: {memory.command[:200]}"
    )
