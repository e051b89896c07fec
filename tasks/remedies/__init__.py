"""The remedy library: every module in this folder with a ``REMEDY`` is in it."""

import importlib
import pkgutil
from functools import cache

from autoloop.core.remedy import Remedy


@cache
def library() -> tuple[Remedy, ...]:
    """All remedies, those with the smallest rank first."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(sorted((m.REMEDY for m in modules), key=lambda r: (r.rank, r.name)))


def for_cause(name: str) -> tuple[Remedy, ...]:
    """The remedies that say they cure *name* (``CLASS.subtype``)."""
    return tuple(remedy for remedy in library() if name in remedy.cures)
