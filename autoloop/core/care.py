"""Care: what is remembered of an application, and what no two of them may share."""

from collections.abc import Mapping
from typing import Any

from autoloop.core.app import AppSpec
from autoloop.core.errors import NotAllowed


def about(spec: AppSpec) -> dict[str, Any]:
    """What the ledger remembers of an application under care; the whole spec is in its block."""
    return {
        "environment": spec.environment,
        "host": spec.host.address,
        "every_s": spec.health.every_s,
        "owns": owned(spec),
    }


def owned(spec: AppSpec) -> list[str]:
    """What one application alone may change: its code, settings and databases, with their host."""
    code = [spec.code.path] if spec.code else []
    settings = [part.settings for part in spec.components if part.settings]
    paths = dict.fromkeys((*code, *settings, *spec.data.sqlite))
    return [f"{spec.host.address} {spec.host.port} {path}" for path in paths]


def refuse_shared(spec: AppSpec, apps: Mapping[str, Mapping[str, Any]]) -> None:
    """Two names for one application would notice the same trouble, and repair it at once.

    Raises:
        NotAllowed: one of *apps*, by name as the ledger tells them, owns what this one would.
    """
    mine = set(owned(spec))
    for name, known in apps.items():
        shared = sorted(mine.intersection(known.get("owns", ())))
        if shared and name != spec.name:
            what = f"{shared[0].split(' ', 2)[2]} on {spec.host.address} is under care as '{name}'"
            raise NotAllowed(f"app {spec.name}", what, f"autoloop unregister {name}, or keep that")
