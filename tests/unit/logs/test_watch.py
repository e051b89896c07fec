"""The loop: everybody's turn comes, and it ends when it is asked to."""

from pathlib import Path
from typing import Any

import pytest

from autoloop.logs.target import files
from autoloop.logs.target import watch as watching
from autoloop.logs.target.files import BLOCK, NEVER, Found
from autoloop.logs.target.fold import Folded
from autoloop.logs.target.globs import TURN, Files
from autoloop.logs.target.scan import Words
from autoloop.logs.target.watch import News, Watch

CALM = b"10:00:00 INFO fine\n"
ERROR = b"10:00:00 ERROR order failed\n"


class Storm:
    """A source that always has more."""

    due = NEVER

    def next(self, engine: Any, final: bool = False) -> tuple[str, Found]:
        return "storm", Found(ERROR, [(0, len(ERROR))], len(ERROR), 0)

    def nothing(self) -> Any:
        return {}

    refresh = states = held = watched = files = handles = missing = close = nothing


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
    both, order = Files(str(tmp_path / "*.log"), {}), []
    while (step := both.next(Words(), final=True)) is not None:
        order.append(step[0][-5:])
    offset = both.states()[f"file:{tmp_path}/a.log"]["files"][0][3]
    both.close()
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


def test_while_a_record_may_go_on_it_is_understood_ahead(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Once, however it grows; what is handed on is all of it."""
    path = tmp_path / "shop.log"
    ahead: list[bytes] = []
    found: list[Folded] = []
    path.touch()
    watch = Watch(
        [Files(str(path), {})], Words(), lambda rows, _: found.extend(rows), foresee=ahead.append
    )
    trace = [ERROR, b"    at Shop.order(Shop.java:3)\n", b"    at Shop.main(Shop.java:9)\n"]
    for name, seconds in (("LINE_S", 60.0), ("SETTLE_S", 60.0)):
        monkeypatch.setattr(files, name, seconds)
    with path.open("ab", buffering=0) as out:
        for line in trace:
            out.write(line)
            watch.round()
            watch._look_ahead()
    assert (ahead, found) == ([ERROR], [])
    monkeypatch.setattr(files, "SETTLE_S", 0.0)
    watch.round()
    watch.close()
    assert [row.record.text for row in found] == [b"".join(trace)]


def test_bytes_that_are_written_are_no_reason_to_look_at_the_folder(tmp_path: Path) -> None:
    """A name that is made, moved or removed is; also when bytes were written at the same time."""
    path, news = tmp_path / "shop.log", News()
    path.write_bytes(CALM)
    news.follow([str(tmp_path)], [str(path)])
    path.write_bytes(CALM)
    assert not news.wait(1.0, [])
    path.write_bytes(CALM)
    path.rename(tmp_path / "shop.log.1")
    assert news.wait(1.0, [])
    news.close()


def test_what_cannot_be_read_is_told_once_and_when_it_can_be_again(tmp_path: Path) -> None:
    """At once when it is so at the start; later only what lasts: rotated logs are away a moment."""
    path, told = tmp_path / "shop.log", []
    watch = Watch(
        [Files(str(path), {})], Words(), lambda *_: None,
        tell=lambda name, why: told.append((name.rpartition("/")[2], why)),
    )  # fmt: skip
    watch.run(lambda: False)
    assert told == [("shop.log", "No such file or directory")]
    watch._refresh()
    path.touch()
    watch._refresh()
    assert told[1:] == [("shop.log", "")]
    path.unlink()
    watch._refresh()
    assert len(told) == 2
    watch._refresh()
    watch.close()
    assert told[2:] == [("shop.log", "No such file or directory")]
