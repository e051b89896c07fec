"""Imported once by the fork server, before any child: brings in Prefect and the flows.

What to import comes through one environment variable, as a fork server is told nothing else.
A package is imported with all its modules, each by itself: one broken file costs one warning,
and the run that needs the file fails by itself.
"""

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping

VARIABLE = "AUTOLOOP_WORKER_PRELOAD"

ENGINE = (
    "prefect.main",
    "prefect.flow_engine",
    "prefect.engine",
    "prefect.results",
    "prefect.events.clients",
    "prefect.logging.handlers",
    "autoloop.worker.child",
)
"""What each flow run needs; importing it takes about a second."""

LATER = (
    "anyio._backends._asyncio",
    "encodings.idna",
    "prefect._internal.observers",
    "pydantic.v1",
    "rich._emoji_codes",
)
"""What each run imports on its way, 50 ms in all; what another version lacks is left out."""

FAILURES: list[str] = []
"""What could not be imported, one line each."""


@contextlib.contextmanager
def announced(modules: Iterable[str], env: Mapping[str, str]) -> Iterator[None]:
    """Tell processes that start meanwhile what to import and which environment to have."""
    order = {"path": sys.path, "modules": list(modules), "env": dict(env)}
    os.environ[VARIABLE] = json.dumps(order)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)


def obey(text: str) -> None:
    """Do what was announced, once in the life of a process."""
    order = json.loads(text)
    os.environ.update(order["env"])
    sys.path[:] = order["path"]
    for name in ENGINE:
        importlib.import_module(name)
    for name in LATER:
        try_import(name)
    for name in order["modules"]:
        FAILURES.extend(import_whole(name))
    gc.collect()
    gc.freeze()  # children share the memory longer when no collection touches it


def import_whole(name: str) -> list[str]:
    """Import a module, or a package with all that is in it; returns the failures."""
    failures = []
    for each in (name, *inner_modules(name)):
        try:
            importlib.import_module(each)
        except Exception as error:  # a flow's file may raise anything
            failures.append(f"{each}: {type(error).__name__}: {error}")
    return failures


def inner_modules(name: str) -> Iterator[str]:
    """Modules below a package, without importing more than the packages among them."""
    package = sys.modules.get(name) or try_import(name)
    path = getattr(package, "__path__", None)
    if path is not None:
        found = pkgutil.walk_packages(path, f"{name}.", onerror=lambda _name: None)
        yield from (module.name for module in found if not module.name.endswith(".__main__"))


def try_import(name: str) -> object | None:
    """The module, or None."""
    try:
        return importlib.import_module(name)
    except Exception:
        return None


if VARIABLE in os.environ:
    obey(os.environ.pop(VARIABLE))
