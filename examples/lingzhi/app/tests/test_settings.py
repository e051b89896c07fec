"""The app does not start half-configured."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[1]


def start(**changed):
    """Import the app in a process of its own; a setting of None is left out."""
    settings = {name: value for name, value in (os.environ | changed).items() if value is not None}
    command = [sys.executable, "-c", "import app"]
    return subprocess.run(command, cwd=APP, env=settings, capture_output=True, text=True)


@pytest.mark.parametrize("name", ["DATABASE_URL", "SECRET_KEY", "JWT_TTL_S"])
def test_a_missing_setting_is_named(name):
    """The last line of the traceback tells what to set."""
    started = start(**{name: None})
    assert started.returncode == 1
    assert started.stderr.strip().endswith(f"KeyError: '{name}'")


@pytest.mark.parametrize("value", ["{broken", "[1]"])
def test_broken_model_settings_are_named(value):
    """They must be a JSON object."""
    assert "ValueError: AGENT_MODEL_CONFIG:" in start(AGENT_MODEL_CONFIG=value).stderr


def test_the_optional_settings_may_be_missing():
    """REDIS_URL and AGENT_MODEL_CONFIG are not needed."""
    assert start(REDIS_URL=None, AGENT_MODEL_CONFIG=None).returncode == 0


def test_an_unexpected_error_is_answered_in_json_and_logged(client, as_user, log_file, monkeypatch):
    """500 without details outside, the traceback in app.log."""
    monkeypatch.setattr("routes.chat.reply_to", lambda *_: 1 / 0)
    answer = client.post("/api/chat", json={"message": "hi"}, headers=as_user("lan"))
    assert answer.status_code == 500
    assert "division" not in answer.text
    assert "ZeroDivisionError: division by zero" in log_file.read_text()
