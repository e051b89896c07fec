"""Restart a service that takes more and more memory, and limit what it may take."""

import hashlib
import posixpath
from collections.abc import Mapping

from autoloop.core.app import Component
from autoloop.core.effect import Effect
from autoloop.core.putting_back import restarts
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.service import MemoryLimit
from autoloop.core.target import ChangeFiles, FileChange, FileState, Observer, Read
from autoloop.core.words import Frozen, Words

PAGE = 4096
"""Bytes; the kernel limits whole pages."""


class Limit(Frozen):
    """What is said of the limit, and what is to be done; None: nothing."""

    said: Words
    wanted: MemoryLimit | None = None


class RecycleService:
    """Gives the memory back, and sets the limit that is declared, if any.

    It does not mend the leak: when it comes back too often, the error budget has a person asked.
    """

    name = "recycle_service"
    cures = frozenset({"SERVICE.memory_leak"})
    rank = 10
    words = Words(
        en="Restart the service, so that it gives its memory back, and set the declared limit.",
        zh="重启服务以释放内存，并设置已声明的内存上限。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Needs a service that its manager knows."""
        part = context.component
        state = context.facts.of(part).service
        if state.activity in ("missing", "unknown"):
            why = Words(
                en=f"{part.unit} is {state.activity}", zh=f"{part.unit} 状态为 {state.activity}"
            )
            return Refusal(remedy=self.name, why=why)
        limit, why = limit_of(part, host), _why(context)
        before, after = limiting(limit.wanted, host) if limit.wanted else ((), ())
        changes = [c for p in before if isinstance(p.action, ChangeFiles) for c in p.action.changes]
        files = {c.path: c.after.sha256 for c in changes if c.after.kind == "file"}
        return Proposal(
            remedy=self.name,
            why=Words(en=f"{why.en}; {limit.said.en}", zh=f"{why.zh}；{limit.said.zh}"),
            actions=(*before, *restarts([part]), *after),
            effects=(
                *(_effect(change) for change in changes if change.after.kind == "file"),
                Effect(kind="unit", subject=part.unit, before=state.activity, after="running"),
            ),
            risk="low",
            files=files,
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:
        """The file with the limit."""
        limit = limit_of(context.component, host).wanted
        return {_sha(limit.content): limit.content.encode()} if limit else {}


def _why(context: Context) -> Words:
    part, own = context.component, context.facts.of(context.component)
    used = f"{own.memory.bytes / 1e6:.0f} MB" if own.memory else ""
    if own.service.activity == "running" and used:
        return Words(
            en=f"{part.unit} uses {used}, more than it may",
            zh=f"{part.unit} 占用内存 {used}，超过允许值",
        )
    return Words(
        en=f"{part.unit} was ended by the kernel, as memory was short",
        zh=f"{part.unit} 因内存不足被内核终止",
    )


def limit_of(part: Component, host: Observer) -> Limit:
    """The declared limit, unless it is in force; one that somebody else has set stays."""
    manager = part.service()
    size = int((part.memory_max_mb or 0) * 1e6) // PAGE * PAGE
    limit, read = manager.limit(part.unit, size), manager.limited(part.unit)
    if not size or limit is None or read is None:
        if limit is None:
            return Limit(said=Words(en="its manager sets no limits", zh="其服务管理器不支持上限"))
        return Limit(
            said=Words(
                en=f"no limit is set: 'memory_max_mb = …' of component '{part.name}' in"
                " autoloop.toml would set one",
                zh=f"未设置内存上限：在 autoloop.toml 的组件“{part.name}”中加入"
                "“memory_max_mb = …”即可设置",
            )
        )
    answer, ours = host.observe([read, Read(op="stat", args={"path": limit.file})])
    now = manager.parse_limit(answer)
    if now == size:
        return Limit(said=Words(en=f"its limit of {size} bytes stays", zh=f"上限 {size} 字节不变"))
    if now is None or not ours.ok or (now and ours.value["kind"] == "absent"):
        found = "nobody can tell which" if now is None else f"{now} bytes"
        return Limit(
            said=Words(
                en=f"another limit is set on the host ({found}) and stays",
                zh=f"主机上已有其他上限（{found}），保持不变",
            )
        )
    said = Words(en=f"it may take {size} bytes from now on", zh=f"今后最多使用 {size} 字节")
    return Limit(said=said, wanted=limit)


def limiting(
    limit: MemoryLimit, host: Observer
) -> tuple[tuple[PlannedAction, ...], tuple[PlannedAction, ...]]:
    """What comes before the restart, and the proof after it.

    The manager reads its files anew at the end of the way back too: the first action's inverse.
    """
    folder = posixpath.dirname(limit.file)
    reads = [Read(op="stat", args={"path": path}) for path in (folder, limit.file)]
    states = [FileState.model_validate(answer.value) for answer in host.observe(reads)]
    wanted = FileState(kind="file", sha256=_sha(limit.content), mode=0o644)
    changes = [FileChange(path=limit.file, before=states[1], after=wanted)]
    if states[0].kind == "absent":
        made = FileState(kind="dir", mode=0o755)
        changes.insert(0, FileChange(path=folder, before=states[0], after=made))
    before = (
        PlannedAction(action=limit.reload, inverse=limit.reload),
        PlannedAction(action=ChangeFiles(changes=tuple(changes), wake=(limit.reload,))),
        PlannedAction(action=limit.reload),
    )
    return before, (PlannedAction(action=limit.holds),)


def _effect(change: FileChange) -> Effect:
    before, after = change.before.sha256 or None, change.after.sha256
    return Effect(kind="file", subject=change.path, before=before, after=after)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


REMEDY = RecycleService()
