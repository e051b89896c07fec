"""What a change of a file is, line by line, without its secrets."""

import re
from difflib import unified_diff

from autoloop.core.redact import redact, redact_value
from autoloop.core.words import Frozen

LINES = 120
_SETTING = re.compile(r"^(\s*(?:export\s+)?[\"']?([A-Za-z_][\w.-]{0,80})[\"']?\s*[=:]\s*)(\S.*)$")


class Change(Frozen):
    """One file that a remedy changed, and how: a unified diff, redacted."""

    remedy: str
    path: str
    lines: tuple[str, ...] = ()


def difference(before: str, after: str) -> tuple[str, ...]:
    """The unified diff of two texts, at most `LINES` lines of it; empty for what is no text."""
    if "\0" in before or "\0" in after:
        return ()
    old, new = ([_shown(line) for line in redact(text).splitlines()] for text in (before, after))
    lines = list(unified_diff(old, new, n=2, lineterm=""))[2:]
    return tuple(line[:300] for line in ([*lines[:LINES], "…"] if len(lines) > LINES else lines))


def _shown(line: str) -> str:
    """A line, with the value of a setting hidden when its name says that it is a secret."""
    found = _SETTING.match(line)
    return f"{found[1]}{redact_value(found[2], found[3])}" if found else line
