"""The demo: it is told to its end, and leaves nothing behind however it ends."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop import settings as chosen
from autoloop.core.errors import HostUnreachable
from autoloop.platform import demo
from autoloop.platform.story import SCENES


class Stage:
    """Everything real is only noted down; every fault is repaired at once."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.scene: Callable[[], None] = lambda: None
        patch.setattr(demo, "Platform", lambda _: self)
        patch.setattr(demo, "application", self.application)
        patch.setattr(demo, "adopt", lambda _: None)
        patch.setattr(demo, "play", self.play)

    def application(self, verb: str, _root: Path) -> dict[str, Any]:
        """Up or down."""
        self.done.append(verb)
        return {"url": "http://x"}

    def play(self, scene: Any, _broken: Any, _tick: Any) -> dict[str, Any]:
        """One scene."""
        self.scene()
        return {"name": scene.name, "repaired": True}

    def take_folder(self) -> None:
        """Of the platform."""

    def start(self, _say: Any) -> None:
        """Of the platform."""
        self.done.append("start")

    def watch(self) -> None:
        """Of the platform; called while it stays up."""
        os.kill(os.getpid(), self.ends_by)

    def stop(self) -> None:
        """Of the platform; whoever is impatient now changes nothing."""
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        self.done.append("stop")

    ends_by = signal.SIGINT


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """See `Stage`; signals are as before afterwards."""
    monkeypatch.setenv("AUTOLOOP_HOME", str(tmp_path))
    chosen.settings.cache_clear()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Stage(monkeypatch)
    for number, handler in before.items():
        signal.signal(number, handler)
    chosen.settings.cache_clear()


def played(monkeypatch: pytest.MonkeyPatch, capsys: Any, *words: str) -> tuple[int, Any]:
    """The exit code, and the closing JSON."""
    monkeypatch.setattr(sys, "argv", ["demo", *words])
    code = demo.main()
    lines = capsys.readouterr().out.splitlines()
    return code, json.loads(lines[-1]) if lines else None


WHOLE = ["up", "start", "stop", "down"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_after_its_end_it_tells_all_of_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: Any, number: signal.Signals
) -> None:
    """Ctrl-C is how a demo that stays up is ended, and SIGTERM is no worse."""
    stage.ends_by = number
    code, told = played(monkeypatch, capsys, "--keep")
    assert (code, told["ok"], len(told["faults"])) == (0, True, len(SCENES))
    assert stage.done == WHOLE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_in_between_it_takes_everything_down(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: Any, number: signal.Signals
) -> None:
    """What was told so far is told; that is not well."""
    stage.scene = lambda: os.kill(os.getpid(), number)
    code, told = played(monkeypatch, capsys)
    assert (code, told["ok"], told["faults"]) == (1, False, [])
    assert stage.done == WHOLE


def test_a_demo_that_cannot_be_set_up_leaves_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """The error has one line; half an application is taken down too."""

    def broken(*_: Any) -> None:
        raise HostUnreachable("prefect", "no answer", "read the log")

    monkeypatch.setattr(Stage, "start", broken)
    assert played(monkeypatch, capsys) == (1, None)
    assert stage.done == ["up", "stop", "down"]
