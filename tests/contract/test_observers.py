"""Observers: a live agent, and its recording, answer the same; diagnosis is made again from it."""

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.channel import LocalChannel
from autoloop.agent.client import Client
from autoloop.agent.session import Session
from autoloop.core.cassette import Cassette, Recorder, Replay, cassette_from
from autoloop.core.diagnose import diagnose
from autoloop.core.errors import BadRequest, NotFound
from autoloop.core.facts import facts_from, reads_for
from autoloop.core.target import Answer, Observer, Read

Sight = Callable[[Sequence[Read]], tuple[Answer, ...]]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """An agent on this machine."""
    state, fences = str(tmp_path_factory.mktemp("agent")), itertools.count(1)
    session = Session(lambda: Client(LocalChannel(), state), lambda _: next(fences), "run")
    yield session
    session.close()


@pytest.fixture(params=["agent", "cassette"])
def see(request: pytest.FixtureRequest, live: Session) -> Sight:
    """Look at the machine; or at a recording of it that was carried through JSON."""

    def played(reads: Sequence[Read]) -> tuple[Answer, ...]:
        recorder = Recorder(live)
        recorder.observe(reads)
        return Replay(cassette_from(recorder.cassette.to_json())).observe(reads)

    return live.observe if request.param == "agent" else played


def test_answers_come_in_the_order_of_the_reads(see: Sight, tmp_path: Path) -> None:
    """The same read twice is answered twice."""
    for name in "ab":
        (tmp_path / name).write_text(name)
    paths = [str(tmp_path / name) for name in "abab"]
    answers = see([Read(op="file", args={"path": path}) for path in paths])
    assert [a.value["text"] for a in answers] == list("abab")


def test_a_read_that_fails_says_why_and_spoils_nothing(see: Sight) -> None:
    """No exception: a value with a reason."""
    answers = see(
        [Read(op="file", args={"path": "/no/such"}), Read(op="explode"), Read(op="facts")]
    )
    assert [a.ok for a in answers] == [False, False, True]
    assert all(a.error for a in answers[:2])
    assert answers[2].value["host"]


def test_reads_that_wait_do_so_together(see: Sight, tmp_path: Path) -> None:
    """Each of these programs ends only once all of them run; answers stay in order."""
    here = [str(tmp_path / str(n)) for n in range(4)]
    script = "touch $0; until [ -e $1 -a -e $2 -a -e $3 -a -e $4 ]; do sleep 0.01; done; echo $0"
    runs = [Read(op="run", args={"argv": ["sh", "-c", script, me, *here]}) for me in here]
    facts, broken = Read(op="facts"), Read(op="run", args={})
    answers = see([runs[0], facts, runs[1], broken, runs[2], runs[3]])
    assert [a.ok for a in answers] == [True, True, True, False, True, True]
    assert [answers[n].value["out"].strip() for n in (0, 2, 4, 5)] == here
    assert answers[1].value["host"]


@pytest.mark.parametrize(
    ("argv", "code", "out"),
    [(["echo", "新"], 0, "新\n"), (["sh", "-c", "exit 3"], 3, ""), (["/no/such"], 127, "")],
)
def test_a_program_gives_code_and_output(see: Sight, argv: list[str], code: int, out: str) -> None:
    """A missing one too."""
    value = see([Read(op="run", args={"argv": argv})])[0].value
    assert (value["code"], value["out"], value["timed_out"]) == (code, out, False)


def test_states_of_files_are_told(see: Sight, tmp_path: Path) -> None:
    """What is there, what is not, what a link is."""
    (tmp_path / "f").write_text("x")
    (tmp_path / "l").symlink_to("f")
    reads = [Read(op="stat", args={"path": str(tmp_path / n)}) for n in ("f", "l", "nix", "")]
    assert [a.value["kind"] for a in see(reads)] == ["file", "link", "absent", "dir"]


def test_listeners_are_told_with_their_process(see: Sight) -> None:
    """By port and number."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        rows = see([Read(op="listeners")])[0].value
    found = next(row for row in rows if row["port"] == port)
    assert (found["address"], found["owner"]["pid"]) == ("127.0.0.1", os.getpid())


# ---- the recording


def test_a_diagnosis_is_made_again_from_its_cassette(live: Observer, spec: Any) -> None:
    """Facts and causes are equal, without the host."""
    recorder = Recorder(live)
    facts = facts_from(spec, recorder.observe(reads_for(spec)))
    replay = Replay(cassette_from(recorder.cassette.to_json()))
    again = facts_from(spec, replay.observe(reads_for(spec)))
    assert again == facts
    assert diagnose(spec, again, ()) == diagnose(spec, facts, ())


def test_answers_that_change_are_played_in_turn(tmp_path: Path, live: Observer) -> None:
    """And the last one stays."""
    recorder, path = Recorder(live), tmp_path / "f"
    read = Read(op="file", args={"path": str(path)})
    for text in ("one", "two"):
        path.write_text(text)
        recorder.observe([read])
    replay = Replay(recorder.cassette)
    assert [replay.observe([read])[0].value["text"] for _ in range(3)] == ["one", "two", "two"]


def test_an_unknown_read_is_named() -> None:
    """Without secrets, with what to do."""
    asked = Read(op="http", args={"url": "http://u:hunter2@h/"})
    with pytest.raises(NotFound, match="holds no answer to") as caught:
        Replay(Cassette()).observe([asked])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"records": [{"read": 5}]}', '{"nix": 1}'])
def test_what_is_no_cassette_is_refused(text: str) -> None:
    """By name."""
    with pytest.raises(BadRequest, match="record it again"):
        cassette_from(text)
