"""How a deployment and going back are shown, and what they are as an exit code."""

from datetime import UTC, datetime
from typing import Any

FAILED = 1


def exit_code(done: dict[str, Any]) -> int:
    """0: in place and proved, or only a plan; 1: put back."""
    return 0 if done.get("kept", True) else FAILED


def told(done: dict[str, Any]) -> str:
    """What was done, or would be."""
    return _planned(done) if "changes" in done else _ended(done)


def _planned(done: dict[str, Any]) -> str:
    rows = [f"  {_kind(change)} {change['path']}" for change in done["changes"]]
    head = f"{done['app']}: {_what(done)}: {len(rows)} changes, nothing was done"
    return "\n".join([head, *rows])


def _ended(done: dict[str, Any]) -> str:
    counts = f"{done['new']} new, {done['modified']} modified, {done['deleted']} deleted"
    what = f"{done['app']}: {_what(done)}"
    if done["kept"]:
        return f"{what} is in place and proved ({counts})"
    return f"{what} was not proved, all is as before: {done['why']} ({counts} undone)"


def _what(done: dict[str, Any]) -> str:
    """A release by the start of its hash, a backup by its id, which can be used again."""
    release = str(done["release"])
    return f"release {release[:12]}" if len(release) == 64 else f"backup {release}"


def _kind(change: dict[str, Any]) -> str:
    if change["before"]["kind"] == "absent":
        return "new     "
    return "deleted " if change["after"]["kind"] == "absent" else "modified"


def states(rows: list[dict[str, Any]]) -> str:
    """Backups, a line each; the state last proved good has a star."""
    return "\n".join(map(_state, rows)) or "no backups"


def _state(row: dict[str, Any]) -> str:
    mark, at = "*" if row["good"] else " ", datetime.fromtimestamp(row["at"], UTC)
    data = f"  {len(row['sqlite'])} databases" if row["sqlite"] else ""
    counts = f"{row['files']} files{data}  {row['bytes']} bytes"
    return f"{mark} {row['id']}  {at:%Y-%m-%d %H:%M:%S} UTC  {counts}  {row['reason']}"
