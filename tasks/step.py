"""A step: a Prefect task that is retried, timed, cached, and written once for every attempt.

The cache key is incident / attempt / step / hash of the inputs, so a run that was killed goes on
where it was: finished steps give their stored result, the interrupted one runs again.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import task
from prefect.client.schemas.objects import State
from prefect.context import TaskRunContext
from prefect.tasks import Task
from pydantic import BaseModel

from autoloop.core.errors import BadRequest, BadSpec, HostNotReady, NotFound, NotSettled
from autoloop.core.incident import digest
from autoloop.core.work import Work

REFUSED = (BadRequest, NotFound, NotSettled, BadSpec, HostNotReady)
"""What was asked for cannot be; that does not pass."""

P = ParamSpec("P")
R = TypeVar("R")


def step(
    *, retries: int = 2, timeout_s: float = 300, keep: bool = True
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a function whose first parameter is its `Work`.

    Args:
        retries: how often it is tried again, after 1, 2, 4 … seconds.
        timeout_s: when one try is given up.
        keep: whether a finished step is never run again for the same inputs.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        name = function.__name__

        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            failpoint(f"{name}.before")
            result = function(*args, **kwargs)
            failpoint(f"{name}.after")
            return result

        wrapped.__name__ = name
        wrapped.__doc__ = function.__doc__
        wrapped.__module__ = function.__module__
        wrapped.__qualname__ = function.__qualname__
        wrapped.__annotations__ = function.__annotations__
        wrapped.__wrapped__ = function  # type: ignore[attr-defined]
        made = task(
            name=name.replace("_", " "),
            retries=retries,
            retry_delay_seconds=[float(2**n) for n in range(retries)],
            retry_condition_fn=_may_pass,
            timeout_seconds=timeout_s,
            persist_result=keep,
            result_serializer="json",
            cache_key_fn=_key if keep else None,
        )
        return made(wrapped)

    return decorate


def _may_pass(_task: Any, _run: Any, state: State[Any]) -> bool:
    """Whether trying again may help: it does not where something was named wrongly."""
    return not isinstance(state.data, REFUSED)


def _key(context: TaskRunContext, parameters: dict[str, Any]) -> str | None:
    work = next((value for value in parameters.values() if isinstance(value, Work)), None)
    if work is None:
        return None
    return (
        f"{work.op(context.task.name.replace(' ', '_'))}/{digest(*map(_text, parameters.values()))}"
    )


def _text(value: Any) -> str:
    if isinstance(value, BaseModel):
        return value.model_dump_json()
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_text, value)) + "]"
    return repr(value)


def failpoint(name: str) -> None:
    """Stop here for as long as a file of this name lies in ``AUTOLOOP_FAILPOINTS``.

    The crash tests use it to kill processes at exact moments: the file is renamed to
    ``NAME.reached``, holds this process's number, and the step goes on when it is removed.
    Costs nothing when not set.
    """
    folder = os.environ.get("AUTOLOOP_FAILPOINTS")
    if not folder:
        return
    wanted, reached = Path(folder, name), Path(folder, f"{name}.reached")
    if wanted.exists():
        wanted.write_text(str(os.getpid()))
        wanted.rename(reached)
    while reached.exists():
        time.sleep(0.02)
