"""Settings files: lines of ``KEY=VALUE``, as systemd's EnvironmentFile and shells read them."""

import re
from collections.abc import Mapping

_LINE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")


def parse_settings(text: str) -> dict[str, str]:
    """The settings in *text*; quotes around a value do not count, the last of a key wins."""
    found: dict[str, str] = {}
    for line in _lines(text):
        match = _LINE.match(line)
        if match:
            value = match[2]
            if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
                value = value[1:-1]
            found[match[1]] = value
    return found


def put_back(now: str, good: str, keys: frozenset[str]) -> str:
    """*now* with the lines of *keys* as they stand in *good*; every other line is untouched.

    A line that is missing in *now* comes back at the place it had: after the line that stood
    before it, or at the end when that line is gone too.
    """
    lines = [line for line in _lines(now) if _key(line) not in keys]
    before, after = "", 0  # of two lines of one key the last counts: their order stays
    for line in _lines(good):
        if _key(line) in keys:
            at = lines.index(before) + 1 if before in lines else (len(lines) if before else 0)
            at = max(at, after)
            if at and not lines[at - 1].endswith("\n"):
                lines[at - 1] += "\n"
            lines.insert(at, line if line.endswith("\n") else f"{line}\n")
            after = at + 1
        before = line
    return "".join(lines)


def with_settings(text: str, values: Mapping[str, str]) -> str:
    """*text* with each of *values* set: in the line that counts now, or in one more at the end. A
    line that says so already is untouched.

    Raises:
        ValueError: a value cannot be written in such a file.
    """
    lines = _lines(text)
    now = parse_settings(text)
    for key, value in values.items():
        if now.get(key) == value:
            continue
        line = f"{key}={_written(key, value)}\n"
        at = max((n for n, old in enumerate(lines) if _key(old) == key), default=None)
        if at is None:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += "\n"
            lines.append(line)
        else:
            lines[at] = ("export " if lines[at].lstrip().startswith("export ") else "") + line
    return "".join(lines)


def _written(key: str, value: str) -> str:
    """The value as systemd and a shell both read it: plain, or in single quotes."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise ValueError(f"{key[:80]!r} is no name of a setting")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./-]*", value):
        return value
    if "'" in value or not value.isprintable():
        raise ValueError(f"the value of {key} has a quote or a character that is not printed")
    return f"'{value}'"


def _lines(text: str) -> list[str]:
    """Lines with their ends, as the readers of such files see them: only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _key(line: str) -> str:
    match = _LINE.match(line)
    return match[1] if match else ""
