"""What remedies share that put files back as they were when all was well."""

from collections.abc import Iterable, Sequence

from autoloop.core.app import Component
from autoloop.core.effect import Effect
from autoloop.core.facts import Drift, Facts
from autoloop.core.remedy import PlannedAction
from autoloop.core.suspicions.seen import access, same_content
from autoloop.core.target import ChangeFiles, FileChange, RunCommand


def restart_commands(parts: Iterable[Component]) -> tuple[RunCommand, ...]:
    """Restart each, also when its manager has given up on it."""
    commands = []
    for part in parts:
        manager = part.service()
        clear = manager.clear(part.unit)
        commands += [clear] if clear else []
        commands.append(manager.restart(part.unit))
    return tuple(commands)


def restarts(parts: Iterable[Component]) -> tuple[PlannedAction, ...]:
    """The same as actions of a remedy."""
    return tuple(PlannedAction(action=command) for command in restart_commands(parts))


def put_back(drifted: Sequence[Drift], parts: Iterable[Component]) -> tuple[PlannedAction, ...]:
    """All files together, contents from the target's own store; then *parts* are restarted."""
    return (restored(drifted), *restarts(parts))


def restored(drifted: Sequence[Drift]) -> PlannedAction:
    """All files together as they were, contents from the target's own store."""
    changes = tuple(FileChange(path=d.path, before=d.now, after=d.good) for d in drifted)
    return PlannedAction(action=ChangeFiles(changes=changes))


def read_anew(part: Component, facts: Facts, paths: Iterable[str]) -> tuple[PlannedAction, ...]:
    """Have *part* read *paths* anew: a reload while it runs and that is enough, else a restart."""
    reload = part.service().reload(part.unit)
    runs = facts.of(part).service.activity == "running"
    if reload and runs and set(paths) <= set(part.reloads):
        return (PlannedAction(action=reload),)
    return restarts([part])


def effects_of(drifted: Iterable[Drift], parts: Iterable[Component]) -> tuple[Effect, ...]:
    """A file for each content, a permission for each mode or owner alone, and the services."""
    return (*map(_effect, drifted), *map(running_again, parts))


def running_again(part: Component) -> Effect:
    """The service of *part* runs afterwards, whatever it did before."""
    return Effect(kind="unit", subject=part.unit, before="any", after="running")


def contents_of(drifted: Iterable[Drift]) -> dict[str, str]:
    """The hash that proves each file that is there afterwards."""
    return {d.path: d.good.sha256 for d in drifted if d.good.kind == "file"}


def names_of(drifted: Sequence[Drift]) -> str:
    """The first few paths, for a sentence."""
    return ", ".join(d.path for d in drifted[:5]) + (" …" if len(drifted) > 5 else "")


def _effect(drift: Drift) -> Effect:
    good, now = drift.good, drift.now
    if same_content(drift):
        return Effect(kind="permission", subject=drift.path, before=access(now), after=access(good))
    before, after = now.sha256 or None, good.sha256 or None
    return Effect(kind="file", subject=drift.path, before=before, after=after)
