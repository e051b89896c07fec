"""Lasting: tables that are made once and kept need not be looked at by the garbage collector."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def lasting() -> Iterator[None]:
    """No garbage is collected within, and what lives at its end is not looked at again.

    A full collection goes through all objects that may hold others, and would find each of some ten
    thousand rows alive, time and again; that takes as long as reading twenty texts.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
