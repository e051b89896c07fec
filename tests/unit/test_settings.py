"""The platform's settings from the environment."""

from pathlib import Path

import pytest

from autoloop.settings import Settings


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty home would be the folder one happens to be in."""
    for name in ("AUTOLOOP_HOME", "AUTOLOOP_API_PORT", "AUTOLOOP_WORKERS"):
        monkeypatch.setenv(name, "")
    made = Settings()
    assert made.home == Path.home() / ".local/state/autoloop"
    assert (made.api_port, made.workers) == (4211, 4)
