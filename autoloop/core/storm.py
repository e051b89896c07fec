"""Storms: when what a log says becomes an incident, when it joins one, and when it is only counted.

A line alone never leads to a repair: the incident's run looks at the host, which outranks it.
"""

from typing import Literal

from autoloop.core.diagnosis import BENIGN
from autoloop.core.words import Frozen

Fate = Literal["open", "join", "count"]


class Rule(Frozen):
    """The same trouble is handed in again after *again_s* seconds at the earliest; of one
    application at most *most* incidents are opened by its logs within *within_s* seconds."""

    again_s: float = 3600
    most: int = 5
    within_s: float = 600


def fate(name: str, live: bool, handed_s_ago: float | None, opened: int, rule: Rule) -> Fate:
    """What becomes of a finding of the cause *name*.

    Args:
        live: whether an incident of its application is being worked on.
        handed_s_ago: how long ago the same fingerprint opened an incident; None if never.
        opened: how many incidents the logs of its application opened within ``rule.within_s``.
    """
    if name == BENIGN:
        return "count"
    if live:
        return "join"
    if handed_s_ago is not None and handed_s_ago < rule.again_s:
        return "count"
    return "open" if opened < rule.most else "count"
