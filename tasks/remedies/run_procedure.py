"""Run the procedure that the people of the application declared: migrations, accounts, packages."""

from collections.abc import Mapping
from typing import get_args

from autoloop.core.app import Curable
from autoloop.core.effect import Effect, EffectKind
from autoloop.core.putting_back import restarts, running_again
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.suspicions.data import lost_data
from autoloop.core.target import Observer, RunCommand
from autoloop.core.words import Words

KINDS: dict[str, EffectKind] = {
    "DATABASE.schema_mismatch": "schema",
    "DATABASE.user_not_found": "rows",
    "DATABASE.auth_failed_db": "rows",
    "DATABASE.data_corruption": "rows",
    "CODE.import_error": "package",
    "SERVICE.disk_full": "file",
    "SERVICE.tls_certificate": "file",
    "SERVICE.memory_leak": "process",
    "LOGIN.user_not_exist": "rows",
    "LOGIN.wrong_password": "rows",
    "LOGIN.token_expired": "rows",
}


class RunProcedure:
    """Only what was declared, and only while its own check says that it is needed."""

    name = "run_procedure"
    cures = frozenset(get_args(Curable))
    rank = 20
    words = Words(
        en="Run the application's own procedure for it.", zh="执行应用自身声明的处理程序。"
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs a declared procedure for the cause whose check says that it is due."""
        due, cause = context.facts.due, context.cause
        fits = [p for p in context.spec.procedures if p.name in due and cause.name in p.cures]
        fits.sort(key=lambda p: p.component != cause.component)
        one = fits[0] if fits else None
        if (lost := lost_data(context.spec, context.facts)) is not None:
            why = Words(
                en=f"{lost.path} is not the database that was there; on an empty one"
                " a procedure would only make things look right",
                zh=f"{lost.path} 已不是原来的数据库；在空数据库上执行处理程序只会掩盖数据丢失",
            )
            return Refusal(remedy=self.name, why=why, person=True)
        if one is None:
            why = Words(
                en=f"no procedure for {cause.name} is declared and due",
                zh=f"没有为 {cause.name} 声明且需要执行的处理程序",
            )
            return Refusal(remedy=self.name, why=why)
        part = context.spec.component(one.component)
        undo = RunCommand(argv=one.undo, timeout_s=one.timeout_s, idempotent=True)
        apply = RunCommand(argv=one.apply, timeout_s=one.timeout_s, idempotent=True)
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"the check of '{one.name}' says it is needed: {due[one.name]}",
                zh=f"“{one.name}”的检查表明需要执行：{due[one.name]}",
            ),
            actions=(
                PlannedAction(action=apply, inverse=undo if one.undo else None),
                *(restarts([part]) if one.restart else ()),
            ),
            effects=(
                *(
                    Effect(kind=kind, subject=subject, detail={"after": "any"})
                    for kind in dict.fromkeys(KINDS[name] for name in one.cures)
                    for subject in one.touches or (due[one.name],)
                ),
                running_again(part),
            ),
            risk=one.risk,
            reversible=bool(one.undo),
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: a command is run."""
        return {}


REMEDY = RunProcedure()
