"""autoloop repairs broken web applications: diagnose, back up, repair, prove, report.

>>> import autoloop
>>> autoloop.fix({"app": "shop", "error": "502 Bad Gateway"})  # doctest: +SKIP
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__version__ = "0.1.0"
__all__ = ["Fixed", "__version__", "fix"]


@dataclass(frozen=True)
class Fixed:
    """How a trouble ended: the incident's record, and its report."""

    record: dict[str, Any]
    report: dict[str, Any]

    @property
    def state(self) -> str:
        """``closed``, ``ignored``, ``asked a person`` or ``awaiting approval``."""
        return str(self.record["state"])


def fix(trouble: Mapping[str, Any], key: str = "") -> Fixed:
    """Hand trouble in and wait for its end.

    Args:
        trouble: ``error`` (any words), ``app`` (may be left out if one is under care), and any
            further fields, kept with the incident.
        key: the same key hands the same trouble in once.

    Raises:
        NotFound: the application is not under care.
        BadRequest: something in *trouble* cannot be taken.
    """
    from autoloop.core.incident import request_of
    from autoloop.doors import client

    book = client.ledger()
    fields = {k: str(v) for k, v in trouble.items() if k not in ("app", "error")}
    request = request_of(
        client.only_app(book, str(trouble.get("app", ""))),
        str(trouble.get("error", "")),
        fields=fields,
        source="python",
        actor=client.user(),
        idempotency_key=key,
    )
    record = client.fix(request)
    return Fixed(record=record, report=client.report_of(book.incident(record["id"])))
