"""What the server is told before work starts."""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from prefect.exceptions import ObjectNotFound

from autoloop.platform import deployments
from autoloop.platform.deployments import register_queues


class Server:
    """The queues of one pool, which is there after a while."""

    def __init__(self, *names: str) -> None:
        self.queues = [SimpleNamespace(name=name, id=uuid4()) for name in names]
        self.done: list[dict[str, Any]] = []
        self.asked = 0

    async def read_work_queues(self, work_pool_name: str) -> list[Any]:
        """All of them."""
        assert work_pool_name == "warm"
        self.asked += 1
        if self.asked < 3:
            raise ObjectNotFound(Exception("the worker has not made the pool yet"))
        return self.queues

    async def create_work_queue(self, **said: Any) -> None:
        """A new one."""
        self.done.append(said)

    async def update_work_queue(self, _id: Any, **said: Any) -> None:
        """One that is there."""
        self.done.append(said)


URGENT = {"name": "urgent", "priority": 1, "work_pool_name": "warm"}


@pytest.mark.parametrize(
    ("names", "workers", "done"),
    [
        (("default",), 4, [URGENT, {"concurrency_limit": 3}]),
        (("default", "urgent"), 4, [{"concurrency_limit": 3}]),
        (("default", "urgent"), 1, [{"concurrency_limit": 1}]),
    ],
)
def test_one_worker_is_left_to_what_is_urgent(
    names: tuple[str, ...], workers: int, done: list[dict[str, Any]]
) -> None:
    """Unless there is only one."""
    server: Any = Server(*names)
    asyncio.run(register_queues(server, "warm", workers))
    assert server.done == done


def test_what_other_doors_took_into_care_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once; a server that is away is asked again."""
    apps = {"shop": {"every_s": 30}}
    answers: list[Any] = [OSError("away"), apps]
    renewed: list[Any] = []

    async def renew(_: Any) -> Any:
        renewed.append(answers.pop(0))
        if isinstance(renewed[-1], OSError):
            raise renewed[-1]
        return renewed[-1]

    async def watched() -> None:
        ledger: Any = SimpleNamespace(apps=lambda: apps)
        task = asyncio.create_task(deployments.keep_renewed(ledger, {}))
        while answers:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        task.cancel()

    monkeypatch.setattr(deployments, "RENEW_S", 0.01)
    monkeypatch.setattr(deployments, "renew", renew)
    asyncio.run(asyncio.wait_for(watched(), 10))
    assert renewed[1:] == [apps]
