"""Storms: when what a log says becomes an incident, when it joins one, and when it is only counted.

A line alone never leads to a repair: the incident's run looks at the host, which outranks it.
"""

from typing import Literal

from autoloop.core.diagnosis import BENIGN
from autoloop.core.words import Frozen

Fate = Literal["open", "join", "count"]


class Rule(Frozen):
    """The same trouble is handed in again after *again_s* seconds at the earliest; of one
    application at most *most* incidents are opened by its logs within *within_s* seconds. A refused
    login is what users do every day: it counts as trouble when the same came *logins* times."""

    again_s: float = 3600
    logins: int = 20
    most: int = 5
    within_s: float = 600


def fate(
    name: str, total: int, live: bool, handed_s_ago: float | None, opened: int, rule: Rule
) -> Fate:
    """What becomes of a finding of the cause *name*.

    Args:
        total: how often its fingerprint came in all.
        live: whether an incident of its application is being worked on.
        handed_s_ago: how long ago the same fingerprint opened an incident; None if never.
        opened: how many incidents the logs of its application opened within ``rule.within_s``.
    """
    if name == BENIGN or (name.startswith("LOGIN.") and total < rule.logins):
        return "count"
    if live:
        return "join"
    if handed_s_ago is not None and handed_s_ago < rule.again_s:
        return "count"
    return "open" if opened < rule.most else "count"
