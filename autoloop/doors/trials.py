"""How a run of the cases is shown, and what it is as an exit code."""

import sys
from typing import Any

from autoloop.core.regression import Regression, Row, Trial, summary

FAILED, SLOWER = 1, 4
COLOURS = {"passes": "green", "newly passing": "green", "slower": "yellow"}


def longest_s(apps: int) -> float:
    """How long so many applications may take."""
    return 600.0 * max(apps, 1)


def exit_code(document: dict[str, Any]) -> int:
    """0: all pass; 1: a case fails, or an application was not reached; 4: some are only slower."""
    endings = {trial["ending"] for trial in document["trials"]}
    if "fails" in endings:
        return FAILED
    return SLOWER if "slower" in endings else 0


def show(document: dict[str, Any]) -> None:
    """A table for each application on a terminal, else a line for each case."""
    for trial in Regression.model_validate(document).trials:
        if sys.stdout.isatty():
            table(trial)
        else:
            print("\n".join(lines(trial)))


def lines(trial: Trial) -> list[str]:
    """The trial as text."""
    rows = [
        f"  {_mark(row)} {row.verdict:<14} {row.ms:>8.1f} ms  {row.name}"
        + (f": {row.why}" if row.why else "")
        for row in trial.rows
    ]
    return [f"{trial.app}: {summary(trial)}", *rows]


def table(trial: Trial) -> None:
    """The trial in columns and colours."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"{trial.app}: {summary(trial)}", style="bold"))
    if not trial.rows:
        return
    shown = Table(box=None, pad_edge=False)
    for title in ("", "case", "ms", "last good", "", "why"):
        shown.add_column(title, justify="right" if title in ("ms", "last good") else "left")
    for row in trial.rows:
        good = "" if row.good_ms is None else f"{row.good_ms:.1f}"
        words = (_mark(row), row.name, f"{row.ms:.1f}", good, row.verdict, row.why)
        colour = COLOURS.get(row.verdict, "red")
        shown.add_row(
            *(Text(word, style=colour if n in (0, 4) else "") for n, word in enumerate(words))
        )
    console.print(shown)


def _mark(row: Row) -> str:
    return "✘" if not row.passed else "▲" if row.verdict == "slower" else "✔"
