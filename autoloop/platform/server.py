"""The Prefect server of the platform: as ``prefect server start`` starts it, with less patience.

Prefect lets a writer wait a minute for SQLite's lock. Now and then two parts of the server wait for
each other (seen with Prefect 3.8.8 about once in a hundred runs); then every call stands still
until one of them gives up. With a few seconds such a knot is undone before anybody notices: the
clients of the platform ask a server again that answers 503.
"""

import runpy
import sys
from typing import Any

from prefect.server.database.configurations import AioSqliteConfiguration

BUSY_MS = 4000


def be_less_patient() -> None:
    """Set SQLite's waiting time on every connection that the server opens."""
    original = AioSqliteConfiguration.setup_sqlite

    def setup(self: AioSqliteConfiguration, connection: Any, record: Any) -> None:
        original(self, connection, record)
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_MS};")
        cursor.close()

    AioSqliteConfiguration.setup_sqlite = setup  # type: ignore[assignment,method-assign]


def main() -> None:
    """``python -m autoloop.platform.server --host H --port P``."""
    be_less_patient()
    sys.argv = ["prefect", "server", "start", *sys.argv[1:]]
    runpy.run_module("prefect", run_name="__main__")


if __name__ == "__main__":
    main()
