"""How long an action is waited for."""

import pytest

from autoloop.core.target import (
    Action,
    ChangeFiles,
    RunCommand,
    RunGuarded,
    SalvageDatabase,
    StopProcess,
)
from tasks.repair import patience

QUICK = RunCommand(argv=("a",), timeout_s=30)
SLOW = RunCommand(argv=("b",), timeout_s=3600)


@pytest.mark.parametrize(
    ("action", "least"),
    [
        (QUICK, 30),
        (SLOW, 3600),
        (RunGuarded(app="shop", run=(SLOW,), stop=(QUICK,)), 3630),
        (SalvageDatabase(app="shop", path="/srv/shop.db", complete=True), 600),
        (StopProcess(pid=7, started=1, grace_s=5), 10),
        (ChangeFiles(changes=()), 60),
    ],
)
def test_what_may_take_long_is_waited_for(action: Action, least: float) -> None:
    """Longer than it may take itself, so that its own end is heard of."""
    assert patience(action) > least
