"""Ports that nothing else is given meanwhile."""

import socket

import pytest

from autoloop.arena import ports


def test_no_port_is_given_twice_nor_lent_to_connections() -> None:
    """The kernel lends those from `ip_local_port_range` on to what goes out."""
    found = [ports.free_port() for _ in range(50)]
    assert len(set(found)) == 50
    assert all(ports.FIRST <= port < ports._lent_from() for port in found)


def test_a_port_that_is_taken_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not ports._is_free(taken.getsockname()[1])


def test_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and where it looked."""
    monkeypatch.setattr(ports, "_is_free", lambda port: False)
    with pytest.raises(OSError, match="no port is free between 20000"):
        ports.free_port()
