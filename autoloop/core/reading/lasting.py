"""Lasting: what is made once and kept need not be looked at by the garbage collector."""

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


SELDOM = 50_000
"""Objects more than before from which on garbage is looked for, in a process that reads: for some
20 ms, once in four hundred long texts that are new."""


@contextmanager
def seldom() -> Iterator[None]:
    """Garbage is collected seldom within: where a process reads texts and does no more.

    What it keeps of them is remembered on purpose, and nothing that it drops is in a cycle. Looked
    at after every 700 objects, as is usual, it makes one text in a hundred take a fifth longer;
    after every 20,000, one in a hundred twice as long.
    """
    before = gc.get_threshold()
    gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
