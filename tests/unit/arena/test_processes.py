"""Processes by number and start time."""

import os
import signal
import subprocess

from autoloop.arena.processes import ProcessId, children_of, is_init, wait_until


def test_a_process_is_itself_and_nobody_else() -> None:
    """The same number with another start time is a stranger, and is not signalled."""
    me = ProcessId.own()
    stranger = ProcessId(me.pid, me.start + 1)
    assert me.alive()
    assert not stranger.alive()
    stranger.send(signal.SIGKILL)
    assert me.alive()
    assert not is_init(os.getpid())


def test_a_dead_child_is_not_alive_even_as_a_zombie() -> None:
    """It has ended, whether or not its parent has looked."""
    with subprocess.Popen(["sleep", "60"]) as child:
        process = ProcessId.of(child.pid)
        assert process is not None
        assert child.pid in children_of(os.getpid())
        process.send(signal.SIGKILL)
        assert wait_until(lambda: not process.alive(), 5)
    assert ProcessId.of(child.pid) != process
