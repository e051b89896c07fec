"""A node: the warm worker and the API in one event loop; a request starts its run at once."""

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from prefect.client.orchestration import get_client

from autoloop.doors import api, intake
from autoloop.ledger.store import Ledger
from autoloop.platform.deployments import keep_renewed, register_queues, renew
from autoloop.platform.dispatch import deliver, dispatch
from autoloop.settings import Settings, settings
from autoloop.worker.policy import Policy
from autoloop.worker.transport import make_clients_quick
from autoloop.worker.warm import work

log = logging.getLogger("autoloop.node")
PRELOAD = ("flows",)


def read_token(home: Path) -> str:
    """The API's bearer token; made at the first start, readable by its owner only."""
    path = home / "token"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32))
    return path.read_text().strip()


class Quiet(uvicorn.Server):
    """Leaves the signals to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not take them."""
        yield


async def serve(chosen: Settings) -> None:
    """Run until SIGTERM or SIGINT; then drain the worker and close the API."""
    stop, nudge = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    ledger = Ledger(chosen.database_url)
    name = f"{socket.gethostname()}-{chosen.api_port}"
    policy = Policy(
        crash_retries=chosen.crash_retries,
        recoveries=max(10, chosen.crash_retries),
        crash_backoff_s=chosen.crash_backoff_s,
        drain_s=10,
    )
    worker = asyncio.create_task(work(name, "warm", chosen.workers, PRELOAD, stop, nudge, policy))
    app = api.build(ledger, read_token(chosen.home), chosen.reports, nudge.set)
    config = uvicorn.Config(app, host=chosen.host, port=chosen.api_port, log_level="warning",
                            h11_max_incomplete_event_size=1 << 16)  # fmt: skip
    server = Quiet(config)
    async with get_client() as client:
        await intake.wait_for_server(client, 120)
        await register_queues(client, "warm", chosen.workers)
    apps = await renew(ledger)
    serving = asyncio.create_task(server.serve())
    dispatching = asyncio.create_task(dispatch(ledger, nudge.set))
    delivering = asyncio.create_task(deliver(ledger))
    renewing = asyncio.create_task(keep_renewed(ledger, apps))
    await asyncio.wait({worker, serving, asyncio.create_task(stop.wait())},
                       return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
    stop.set()
    for task in (dispatching, delivering, renewing):
        task.cancel()
    server.should_exit = True
    await asyncio.gather(worker, serving, return_exceptions=False)


def main() -> None:
    """The process that the platform starts as its node."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    make_clients_quick(120)
    asyncio.run(serve(settings()))


if __name__ == "__main__":
    main()
