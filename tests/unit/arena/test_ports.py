"""Ports that nothing else is given meanwhile."""

import socket
from pathlib import Path

import pytest

from autoloop.arena import ports


def test_no_port_is_given_twice_nor_lent_to_connections() -> None:
    """The kernel lends those from `ip_local_port_range` on to what goes out."""
    found = [ports.free_port() for _ in range(50)]
    assert len(set(found)) == 50
    assert all(ports.FIRST <= port < ports._below() for port in found)


@pytest.mark.parametrize(
    ("said", "below"),
    [("32768\t60999", 32768), ("40000 60999", 40000), ("1024 65535", 32768), ("", 32768)],
)
def test_machines_that_lend_nearly_all_ports_have_some_too(
    said: str, below: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "range").write_text(said)
    monkeypatch.setattr(ports, "_LENT", tmp_path / "range")
    assert ports._below() == below
    assert ports.FIRST <= ports.free_port() < below


def test_a_port_that_is_taken_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not ports._is_free(taken.getsockname()[1])


def test_none_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and where it looked."""
    monkeypatch.setattr(ports, "_is_free", lambda port: False)
    with pytest.raises(OSError, match="no port is free between 20000"):
        ports.free_port()
