"""A crash, and then another in the recovery from it: pairs of points."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.integration
Cut = Callable[[int, Callable[[], object]], bool]
EVERY = [pytest.param(6, id="sample"), pytest.param(1, id="all", marks=pytest.mark.slow)]


def double_crash(scene: Any, cut: Cut, first: Callable[[], object], every: int) -> int:
    """Cut *first* at each of its points and its recovery at every n-th, another n-th each time."""
    tried, one = 0, 1
    crashed = scene.spare / "crashed"
    while cut(one, first):
        scene.world.copy(crashed)
        two = 1 + one % every
        while cut(two, scene.world.settle):
            scene.world.settle()
            assert scene.side() == {"applied": "after"}.get(scene.journal(), "before"), (one, two)
            tried += 1
            scene.world.put(crashed)
            two += every
        scene.again()
        one += 1
    return tried


@pytest.mark.parametrize("every", EVERY)
def test_crash_in_a_recovery(scene: Any, quick_cut: Cut, every: int) -> None:
    """Cut in the change, then in the recovery: before or after, never between."""
    assert double_crash(scene, quick_cut, scene.act, every) > 1000 // every


@pytest.mark.parametrize("every", EVERY)
def test_crash_in_a_recovery_of_a_revert(scene: Any, quick_cut: Cut, every: int) -> None:
    """Cut in the revert, then in the recovery: put back in the end."""
    scene.act()
    scene.world.copy(scene.spare / "start")
    assert double_crash(scene, quick_cut, scene.undo, every) > 600 // every
