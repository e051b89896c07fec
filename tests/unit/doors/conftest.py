"""A platform of its own for each test, whose runs are only noted down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop import settings as chosen
from autoloop.doors import client, intake
from autoloop.ledger.store import Ledger


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder."""
    monkeypatch.setenv("AUTOLOOP_HOME", str(tmp_path))
    chosen.settings.cache_clear()
    yield chosen.settings().home
    chosen.settings.cache_clear()


@pytest.fixture
def book(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Its ledger, with one application under care."""
    made = Ledger(chosen.settings().database_url)
    made.save_app("shop", {"every_s": 30})
    monkeypatch.setattr(client, "ledger", lambda: made)
    yield made
    made.engine.dispose()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any], str | None]]:
    """The runs that were started, by deployment, parameters and key."""
    rows: list[tuple[str, dict[str, Any], str | None]] = []

    async def start(
        deployment: str, parameters: dict[str, Any], key: str | None = None, queue: str = ""
    ) -> str:
        rows.append((deployment, parameters, key))
        return f"run-{len(rows)}"

    monkeypatch.setattr(intake, "start_run", start)
    monkeypatch.setattr("autoloop.doors.api.start_run", start)
    return rows
