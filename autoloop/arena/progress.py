"""Words on standard error about work that takes longer than two seconds."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

PATIENCE_S = 2.0


def say(text: str) -> None:
    """One line on standard error."""
    print(f"arena: {text}", file=sys.stderr, flush=True)


@contextmanager
def announced(what: str) -> Iterator[None]:
    """Say `what` when the block takes longer than two seconds, and how long it took."""
    start = time.monotonic()
    timer = threading.Timer(PATIENCE_S, say, (f"{what} ...",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    took = time.monotonic() - start
    if took > PATIENCE_S:
        say(f"{what}: {took:.1f} s")
