"""Steps: done once for an attempt and its inputs, and stoppable at exact moments."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from autoloop.core.words import Words
from autoloop.core.work import Work
from tasks.step import _key, failpoint, step

WORK = Work(id="i-1", app="shop")


class Context:
    """What Prefect tells a cache key function."""

    def __init__(self, name: str) -> None:
        self.task = type("Task", (), {"name": name})


def key(*values: Any, name: str = "take backup") -> str | None:
    """The key for these inputs."""
    return _key(Context(name), {str(n): value for n, value in enumerate(values)})  # type: ignore[arg-type]


def test_the_key_is_incident_attempt_step_and_inputs() -> None:
    """The same again is the same; anything else is not."""
    one = key(WORK, Words(en="a"), [1])
    assert one and one.startswith("i-1/1/take_backup/")
    assert key(WORK, Words(en="a"), [1]) == one
    others = [
        key(WORK.next(2), Words(en="a"), [1]),
        key(WORK.model_copy(update={"id": "i-2"}), Words(en="a"), [1]),
        key(WORK, Words(en="b"), [1]),
        key(WORK, Words(en="a"), [2]),
        key(WORK, Words(en="a"), [1], name="place"),
    ]
    assert len({one, *others}) == 6


def test_without_work_nothing_is_kept() -> None:
    """There is nothing to name it after."""
    assert key("a") is None


def test_a_step_keeps_name_words_and_signature() -> None:
    """They show in Prefect's UI."""

    @step()
    def send_all(work: Work) -> Words:
        """Send."""
        return Words(en=work.id)

    assert (send_all.name, send_all.fn.__doc__) == ("send all", "Send.")
    assert (send_all.persist_result, send_all.retries) == (True, 2)
    assert send_all.fn(WORK) == Words(en="i-1")


def test_a_failpoint_holds_until_its_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others pass."""
    monkeypatch.setenv("AUTOLOOP_FAILPOINTS", str(tmp_path))
    failpoint("place.before")
    (tmp_path / "place.after").touch()
    held = threading.Thread(target=failpoint, args=("place.after",))
    held.start()
    reached, end = tmp_path / "place.after.reached", time.monotonic() + 5
    while not reached.exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert held.is_alive()
    reached.unlink()
    held.join(5)
    assert not held.is_alive()
