"""How a deployment and going back are shown, and what they are as an exit code."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from autoloop.core.errors import BadRequest
from autoloop.core.redact import redact_value

FAILED, ASKED = 1, 3
WHEN = {
    "packages": "it differs",
    "data": "if its check says so",
    "rows": "if it does not give what is expected",
}


def exit_code(done: dict[str, Any]) -> int:
    """0: in place and proved, or a plan that may be carried out; 1: put back, or a broken rule;
    3: a person must approve it."""
    if "state" in done:
        return ASKED
    return 0 if done.get("kept", True) and not done.get("broken") else FAILED


def settings_given(words: Iterable[str], lines: TextIO) -> dict[str, str]:
    """Settings from ``KEY=VALUE``; of ``KEY=-`` the next line of *lines*.

    Raises:
        BadRequest: a word is none, a line is missing, or a secret stands on the command line.
    """
    given: dict[str, str] = {}
    for word in words:
        key, sign, value = word.partition("=")
        if not (key and sign):
            raise BadRequest("--set", f"{key[:40]!r} is no KEY=VALUE", "write --set KEY=VALUE")
        if value == "-":
            line = lines.readline()
            if not line:
                raise BadRequest(f"--set {key}=-", "no line was given", "write it to the input")
            value = line.rstrip("\r\n")
        elif redact_value(key, value) != value:
            what = "is a secret, and a command line can be seen by others"
            raise BadRequest(f"--set {key}", what, f"--set {key}=- reads it from the input")
        given[key] = value
    return given


def file_given(name: str, lines: TextIO) -> str:
    """The text of the file *name*; "-" is *lines*, "" is none.

    Raises:
        BadRequest: it cannot be read.
    """
    try:
        return lines.read() if name == "-" else Path(name).read_text("utf-8") if name else ""
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequest("--settings", f"cannot be read: {error}", "name a text file") from None


def told(done: dict[str, Any]) -> str:
    """What was done, or would be."""
    if "state" in done:
        how = f"autoloop approve {done['deployment']}"
        return f"{done['app']}: {done['deployment']} waits for approval: {how}"
    return _planned(done) if "changes" in done else _ended(done)


def _planned(done: dict[str, Any]) -> str:
    rows = [f"  setting  {_set(effect)}" for effect in done.get("sets", ())]
    rows += [f"  {_kind(change)} {change['path']}" for change in done["changes"]]
    head = f"{done['app']}: {_what(done)}: {len(done['changes'])} files, nothing was done"
    rows += [f"  then {' '.join(argv)}" for argv in done.get("commands", ())]
    rows += map(_extra, done.get("extras", ()))
    rows += [f"  broken rule: {told}" for told in done.get("broken", ())]
    return "\n".join([head, *rows])


def _set(effect: dict[str, Any]) -> str:
    return f"{effect['subject']}: {effect['before'] or '-'} → {effect['after']}"


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
    if not release:
        return "change"
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
