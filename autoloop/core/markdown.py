"""Markdown in which nothing that a host or a person has written is acted on."""

import re
from collections.abc import Sequence

_MARKS = re.compile(r"[\\`*<>\[\]~]|(?<!\w)_|_(?!\w)")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; no cell is acted on."""
    width = len(head)
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * width]
    return lines + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _cell(text: str) -> str:
    return plain(text).replace("|", "\\|")


def plain(text: str) -> str:
    """*text* on one line, with what Markdown or HTML would act on made harmless."""
    return _MARKS.sub(r"\\\g<0>", " ".join(text.split()))


def code(text: str) -> str:
    """*text* on one line, as code."""
    flat = " ".join(text.replace("`", "'").split())
    return f"`{flat}`" if flat else ""


def block(lines: Sequence[str], indent: str = "", language: str = "") -> list[str]:
    """*lines* as a block of code, between empty lines."""
    longest = max((len(run) for line in lines for run in re.findall(r"~+", line)), default=0)
    fence = "~" * (longest + 3)
    return ["", *(f"{indent}{x}" for x in (f"{fence}{language}", *lines, fence)), ""]
