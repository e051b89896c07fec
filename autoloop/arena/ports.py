"""Ports for what is started for a while."""

import random
import socket
from pathlib import Path

_LENT = Path("/proc/sys/net/ipv4/ip_local_port_range")
LENT_FROM = 32768
"""The first port that Linux lends to connections that go out, where it does not say."""

FIRST = 20000
FEW = 1000
"""Ports below those that are lent; with fewer, any may have been lent, and it is left to chance."""

TRIES = 200

_given: set[int] = set()
_chance = random.SystemRandom()
"""Not what a test has seeded: two processes that choose must choose differently."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens, and that was not given out before.

    Where the machine leaves some, it is none of those that the kernel lends to connections that go
    out: between the choice and the moment somebody listens there, any connection may be lent it.
    """
    below = _below()
    for _ in range(TRIES):
        port = _chance.randrange(FIRST, below)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise OSError(f"no port is free between {FIRST} and {below}: end what listens there")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _below() -> int:
    """Where the ports end that may be given out."""
    try:
        lent_from = int(_LENT.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return LENT_FROM
    return lent_from if lent_from >= FIRST + FEW else LENT_FROM
