"""How a deployment and going back are shown, and what they are as an exit code."""

from datetime import UTC, datetime
from typing import Any

FAILED = 1
WHEN = {
    "packages": "it differs",
    "data": "if its check says so",
    "rows": "if it does not give what is expected",
}


def exit_code(done: dict[str, Any]) -> int:
    """0: in place and proved, or a plan that may be carried out; 1: put back, or a broken rule."""
    return 0 if done.get("kept", True) and not done.get("broken") else FAILED


def told(done: dict[str, Any]) -> str:
    """What was done, or would be."""
    return _planned(done) if "changes" in done else _ended(done)


def _planned(done: dict[str, Any]) -> str:
    rows = [f"  {_kind(change)} {change['path']}" for change in done["changes"]]
    head = f"{done['app']}: {_what(done)}: {len(rows)} changes, nothing was done"
    rows += map(_extra, done.get("extras", ()))
    rows += [f"  broken rule: {told}" for told in done.get("broken", ())]
    return "\n".join([head, *rows])


def _extra(extra: dict[str, Any]) -> str:
    command, saved = " ".join(extra["argv"]), ", ".join(extra["saved"])
    why = WHEN[extra["kind"]]
    lines = [f"  then {extra['kind']} {extra['name']}: {command}  ({why})"]
    if saved:
        lines.append(f"    saved first, and put back with the code: {saved}")
    if extra["stands"]:
        lines.append(f"    stands still meanwhile: {', '.join(extra['stands'])}")
    return "\n".join(lines)


def _ended(done: dict[str, Any]) -> str:
    counts = f"{done['new']} new, {done['modified']} modified, {done['deleted']} deleted"
    what = f"{done['app']}: {_what(done)}"
    if done["kept"]:
        return "\n".join([f"{what} is in place and proved ({counts})", *_besides(done)])
    told = f"{what} was not proved, all is as before: {done['why']} ({counts} undone)"
    return "\n".join([told, *_besides(done), *_left(done.get("back") or {})])


def _besides(done: dict[str, Any]) -> list[str]:
    rows = [
        f"  {ran['kind']} {ran['name']}: {', '.join(ran['changed'])}" for ran in done.get("ran", ())
    ]
    if done.get("down_s"):
        rows.append(f"  services stood still for {done['down_s']:.1f} s")
    return rows


def _left(back: dict[str, Any]) -> list[str]:
    """What people must know of rows that were written before the databases went back."""
    if not back.get("left"):
        return []
    what = f"  databases went back: what was written in the {back['lost_s']:.1f} s of the proof"
    return [f"{what} is not in them any more, but in backup {back['left']}"]


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
