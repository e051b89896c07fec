"""autoloop repairs broken web applications: diagnose, back up, repair, prove, report.

>>> import autoloop
>>> trouble = {"type": "login", "error": "密码错误", "username": "admin"}
>>> done = autoloop.fix(trouble)  # doctest: +SKIP
>>> print(done.report)  # doctest: +SKIP
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autoloop.doors.client import Written

__version__ = "0.1.0"
__all__ = ["Fixed", "__version__", "change", "deploy", "diagnose", "fix", "rollback", "test"]


@dataclass(frozen=True)
class Fixed:
    """How a trouble ended: the incident's record, and its report.

    The report is a JSON document; printed, it is Markdown, ``report.text("zh")`` in Chinese.
    """

    record: dict[str, Any]
    report: "Written"

    @property
    def state(self) -> str:
        """``closed``, ``ignored``, ``asked a person`` or ``awaiting approval``."""
        return str(self.record["state"])


def fix(trouble: Mapping[str, Any], key: str = "") -> Fixed:
    """Hand trouble in and wait for its end.

    Args:
        trouble: ``error`` (any words), ``type`` (a class of errors or a full name, in any case,
            English or Chinese), ``app`` (may be left out if one is under care), and any further
            fields, such as ``username``, kept with the incident.
        key: the same key hands the same trouble in once.

    Raises:
        NotFound: the application is not under care.
        BadRequest: something in *trouble* cannot be taken.
    """
    from autoloop.core.incident import request_of
    from autoloop.doors import client

    book = client.ledger()
    fields = {str(k): str(v) for k, v in trouble.items() if k not in ("app", "error", "type")}
    request = request_of(
        client.only_app(book, str(trouble.get("app", ""))),
        str(trouble.get("error", "")),
        type=str(trouble.get("type", "")),
        fields=fields,
        source="python",
        actor=client.user(),
        idempotency_key=key,
    )
    record = client.fix(request)
    return Fixed(record=record, report=client.report_of(book.incident(record["id"])))


def test(app: str = "", rounds: int = 3, accept: bool = False) -> dict[str, Any]:
    """Run every case of *app*, or of every application under care when it is empty.

    Returns:
        ``trials``, one for each application, with ``ending`` (passes, slower, fails) and ``rows``.

    Raises:
        NotFound: the application is not under care, or none is.
    """
    from autoloop.doors import client, trials

    book = client.ledger()
    apps = [] if app else list(book.apps())
    chosen = apps or [client.only_app(book, app)]
    parameters = {"apps": chosen, "rounds": rounds, "accept": accept}
    done: dict[str, Any] = client.run("regression", parameters, trials.longest_s(len(chosen)))
    return done


def diagnose(text: str, app: str = "") -> dict[str, Any]:
    """What *text* means; with *app*, ranked with what its live host shows. Changes nothing.

    Returns:
        ``causes``, the most likely first; of a host also ``impact`` and ``severity``.
    """
    from autoloop.doors import reading

    return reading.read_with_host(text, app) if app else reading.read_text(text)


def deploy(source: str, app: str = "", plan_only: bool = False) -> dict[str, Any]:
    """Bring the code of the folder *source* to an application, and wait for the end.

    Returns:
        How it ended: ``kept``, ``why``, ``backup`` …; of a plan, the ``changes``.

    Raises:
        AutoloopError: it was not begun, or could not be ended.
    """
    return _run("deploy", app, {"source": source, "plan_only": plan_only})


def change(
    app: str = "",
    settings: Mapping[str, str] | None = None,
    procedures: Iterable[str] = (),
    source: str = "",
    plan_only: bool = False,
) -> dict[str, Any]:
    """Set settings, run procedures and bring code as one change; see `deploy`."""
    from autoloop.doors import client

    wanted = {"settings": dict(settings or {}), "procedures": list(procedures), "source": source}
    chosen = client.only_app(client.ledger(), app)
    done: dict[str, Any] = client.change({"app": chosen, **wanted, "plan_only": plan_only})
    return done


def rollback(
    app: str = "",
    to: str = "",
    with_config: bool = False,
    with_data: bool = False,
    plan_only: bool = False,
) -> dict[str, Any]:
    """Go back to the code before the last deployment, or to a backup; see `deploy`.

    Args:
        to: id of a backup, or ``good`` for the state last proved good.
    """
    wanted = {"to": to, "with_config": with_config, "with_data": with_data}
    return _run("rollback", app, {**wanted, "plan_only": plan_only})


def _run(deployment: str, app: str, parameters: dict[str, Any]) -> dict[str, Any]:
    from autoloop.doors import client

    chosen = client.only_app(client.ledger(), app)
    done: dict[str, Any] = client.run(deployment, {"app": chosen, **parameters})
    return done
