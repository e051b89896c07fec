"""``python -m autoloop.worker``: a warm worker in the foreground, until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import signal
import socket

from autoloop.worker.policy import Policy
from autoloop.worker.warm import work

DEFAULTS = Policy()


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m autoloop.worker", description=__doc__)
    parser.add_argument("--pool", default="warm", help="work pool; made if missing")
    parser.add_argument(
        "--name", default=f"warm-{socket.gethostname()}", help="unique and stable: it owns the runs"
    )
    parser.add_argument("--limit", type=int, default=4, help="flow runs at a time")
    parser.add_argument("--preload", default="flows", help="modules, separated by commas")
    parser.add_argument("--method", choices=["forkserver", "spawn"], default=DEFAULTS.method)
    for name in (
        "poll",
        "grace",
        "drain",
        "sweep",
        "unowned",
        "fence",
        "take",
        "start",
        "patience",
    ):
        parser.add_argument(f"--{name}-s", type=float, default=getattr(DEFAULTS, f"{name}_s"))
    parser.add_argument("--crash-retries", type=int, default=DEFAULTS.crash_retries)
    return parser.parse_args()


async def main(given: argparse.Namespace) -> None:
    """Work until told to stop."""
    stop, nudge = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, nudge.set)
    names = Policy.__dataclass_fields__.keys() & vars(given).keys()
    policy = Policy(**{name: getattr(given, name) for name in names})
    modules = [name for name in given.preload.split(",") if name]
    await work(given.name, given.pool, given.limit, modules, stop, nudge, policy)


if __name__ == "__main__":
    asyncio.run(main(arguments()))
