"""The loop: everybody's turn comes, and it ends when it is asked to."""

from pathlib import Path
from typing import Any

import pytest

from autoloop.logs.target import watch as watching
from autoloop.logs.target.files import BLOCK, NEVER, Found
from autoloop.logs.target.fold import Folded
from autoloop.logs.target.globs import TURN, Files
from autoloop.logs.target.scan import Words
from autoloop.logs.target.watch import Watch

CALM = b"10:00:00 INFO fine\n"
ERROR = b"10:00:00 ERROR order failed\n"


class Storm:
    """A source that always has more."""

    due = NEVER

    def next(self, engine: Any, final: bool = False) -> tuple[str, Found]:
        return "storm", Found(ERROR, [(0, len(ERROR))], len(ERROR), 0)

    def nothing(self) -> Any:
        return {}

    refresh = states = watched = files = handles = missing = close = nothing


def watched(sources: list[Any], found: list[Folded], share: float = 1.0) -> Watch:
    return Watch(sources, Words(), lambda rows, _: found.extend(rows), share)


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_a_storm_keeps_no_other_source_waiting_and_does_not_hinder_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, share: float
) -> None:
    """Asked to end after what stood in the other log was found."""
    monkeypatch.setattr(watching, "ROUND_S", 0.01)
    path = tmp_path / "shop.log"
    path.write_bytes(ERROR)
    found: list[Folded] = []
    watch = watched([Storm(), Files(str(path), {})], found, share)
    watch.run(lambda: f"file:{path}" not in {row.source for row in found})
    watch.close()
    assert {row.source for row in found} == {"storm", f"file:{path}"}


def test_of_the_logs_of_one_pattern_each_has_its_turn(tmp_path: Path) -> None:
    """The first has much; the others are read before its end, and all of it is."""
    (tmp_path / "a.log").write_bytes(CALM * (BLOCK * TURN * 2 // len(CALM)))
    for name in ("b.log", "c.log"):
        (tmp_path / name).write_bytes(ERROR)
    files, order = Files(str(tmp_path / "*.log"), {}), []
    while (step := files.next(Words(), final=True)) is not None:
        order.append(step[0][-5:])
    offset = files.states()[f"file:{tmp_path}/a.log"]["files"][0][3]
    files.close()
    assert offset == (tmp_path / "a.log").stat().st_size
    assert order[: TURN + 2] == ["a.log"] * TURN + ["b.log", "c.log"]
    assert set(order[TURN + 2 :]) == {"a.log"}


def test_once_reads_to_the_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """However many turns that takes."""
    monkeypatch.setattr(watching, "ROUND_BYTES", 1)
    for name in ("a.log", "b.log"):
        (tmp_path / name).write_bytes((CALM + ERROR) * (2 * BLOCK // len(CALM + ERROR)))
    found: list[Folded] = []
    watch = watched([Files(str(tmp_path / name), {}) for name in ("a.log", "b.log")], found)
    watch.once()
    watch.close()
    assert sum(row.count for row in found) == 2 * (2 * BLOCK // len(CALM + ERROR))
