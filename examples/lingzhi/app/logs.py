"""The application's own log file, `app.log`."""

import logging
from logging.handlers import WatchedFileHandler
from pathlib import Path


def write_to(folder: Path) -> None:
    """Send every record of INFO and above to `folder`/app.log; survives log rotation."""
    handler = WatchedFileHandler(folder / "app.log", encoding="utf-8")
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s [%(process)d] %(name)s: %(message)s",
        handlers=[handler],
        force=True,
    )
    # Migrations and the SQL of every request are no news.
    logging.getLogger("sqlalchemy").setLevel(logging.WARNING)
