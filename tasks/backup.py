"""Backups on the target, before anything is changed."""

from autoloop.core.app import AppSpec
from autoloop.core.errors import BackupUnusable
from autoloop.core.target import Read, SaveBackup
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.step import step
from tasks.target import session_of, spec_of


class Backup(Frozen):
    """A backup that was read back and found whole."""

    id: str
    app: str
    release: str
    files: int
    bytes: int

    @classmethod
    def none(cls, work: Work) -> "Backup":
        """No backup: nothing of the application is changed."""
        return cls(id="", app=work.app, release="", files=0, bytes=0)


def backup_action(spec: AppSpec, reason: str, good: bool = False) -> SaveBackup:
    """Code, configuration and databases of *spec*."""
    return SaveBackup(
        app=spec.name,
        trees=(spec.code.path,) if spec.code else (),
        exclude=spec.not_code(),
        files=spec.config_files(),
        sqlite=spec.data.sqlite,
        keep=spec.limits.backups,
        reason=reason,
        good=good,
    )


@step()
def take_backup(work: Work, reason: str) -> Backup:
    """Back up, then read every content back; nothing is changed on the word of an unread backup."""
    spec, session = spec_of(work), session_of(work)
    done = session.do(work.op("backup"), backup_action(spec, f"{work.id}: {reason}"))
    args = {"app": spec.name, "backup": done.value["id"]}
    check = session.observe([Read(op="verify_backup", args=args)], 120)[0]
    if not check.ok or check.value["broken"]:
        what = check.error or f"{len(check.value['broken'])} contents are damaged"
        raise BackupUnusable(f"backup {done.value['id']}", what, "check the host's disk")
    value = done.value
    return Backup(
        id=value["id"], app=spec.name, release=value["release"],
        files=value["files"], bytes=value["bytes"],
    )  # fmt: skip
