"""Ports for what is started for a while."""

import random
import socket
from pathlib import Path

_LENT = Path("/proc/sys/net/ipv4/ip_local_port_range")
LENT_FROM = 32768
"""The first port that Linux lends to connections that go out, where it does not say."""

FIRST = 20000
TRIES = 200

_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and that was not given out before.

    It is none of those that the kernel lends to connections that go out: between the choice and the
    moment somebody listens there, any connection may be lent it.
    """
    for _ in range(TRIES):
        port = random.randrange(FIRST, max(_lent_from(), FIRST + 1))
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no port is free between {FIRST} and {_lent_from()}: end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lent_from() -> int:
    try:
        return int(_LENT.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return LENT_FROM
