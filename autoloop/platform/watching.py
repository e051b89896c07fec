"""The watcher: reads the logs of all applications under care, one thread for each."""

import logging
import signal
import threading
import time
from typing import Any

from autoloop.core.app import AppSpec
from autoloop.core.errors import AutoloopError, NotSettled
from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger
from autoloop.logs.reader import Here, Keeper, There, only_reader, sources_for
from autoloop.settings import Settings, settings
from autoloop.worker.transport import make_clients_quick
from tasks.busy import changed_since

log = logging.getLogger("autoloop.watcher")
LOOK_S = 5.0
AGAIN_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
LASTED_S = 30.0
SETTLED_S = 10.0
"""What an application says while it is changed on purpose, and so long after, opens nothing."""


class AppWatch:
    """Watches one application until it is stopped; again, later each time, when it fails."""

    def __init__(self, chosen: Settings, ledger: Ledger, app: str) -> None:
        self._settings, self._app = chosen, app
        self._keeper = Keeper(Logbook(ledger), app, may_hand_in=self._calm)
        self._stop = threading.Event()
        self._reader: Here | There | None = None
        self._thread = threading.Thread(target=self._run, name=f"logs-{app}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What was read so far is kept."""
        self._stop.set()
        if self._reader is not None:
            self._reader.close()
        self._thread.join(10)

    def _calm(self) -> bool:
        return not changed_since(self._app, time.time() - SETTLED_S)

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                with only_reader(self._settings.home, self._app):
                    if not self._read():
                        return
            except NotSettled:
                pass  # a person watches it from the command line: that hands in as well
            except AutoloopError as error:
                log.warning("logs of %s: %s", self._app, error)
            except Exception:
                log.exception("logs of %s", self._app)
            failures = 0 if time.monotonic() - began > LASTED_S else failures + 1
            self._stop.wait(AGAIN_S[min(failures, len(AGAIN_S) - 1)])

    def _read(self) -> bool:
        """Until it is stopped, or the connection is lost; whether there is anything to read."""
        from blocks.app import App

        block = App.load(self._app)
        assert isinstance(block, App)
        spec: AppSpec = block.spec
        sources = sources_for(spec)
        if not sources:
            return False
        local = spec.host.address == "local"
        self._reader = (
            Here(sources, self._keeper)
            if local
            else There(sources, self._keeper, block.host.channel)
        )
        if not self._stop.is_set():
            self._reader.run()
        return True


class Watcher:
    """The watches of all applications; those registered anew are begun anew."""

    def __init__(self, chosen: Settings) -> None:
        self._settings = chosen
        self._ledger = Ledger(chosen.database_url)
        self._watches: dict[str, tuple[Any, AppWatch]] = {}

    def look(self) -> None:
        """Begin and end watches as applications come and go."""
        apps = {name: about["updated"] for name, about in self._ledger.apps().items()}
        for name, (updated, watch) in list(self._watches.items()):
            if apps.get(name) != updated:
                watch.stop()
                del self._watches[name]
        for name in apps.keys() - self._watches.keys():
            self._watches[name] = (apps[name], AppWatch(self._settings, self._ledger, name))

    def stop(self) -> None:
        """End all."""
        for _, watch in self._watches.values():
            watch.stop()


def main() -> None:
    """The process that the platform starts as its watcher."""
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in ("httpx", "paramiko", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    make_clients_quick(120)
    watcher = Watcher(settings())
    while not stopping.is_set():
        try:
            watcher.look()
        except Exception as error:  # the ledger may be busy: looked at again
            log.warning("watcher: %r", error)
        stopping.wait(LOOK_S)
    watcher.stop()


if __name__ == "__main__":
    main()
