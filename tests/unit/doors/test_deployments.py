"""How deployments are shown, and what may be said on a command line."""

import io
from typing import Any

import pytest

from autoloop.core.errors import BadRequest
from autoloop.doors import client, deployments
from autoloop.ledger.store import Ledger


def test_settings_are_given_or_read() -> None:
    """A line of input for each that says so, in their order; a value may hold any sign."""
    lines = io.StringIO("hunter2\r\nsecond=3\n")
    words = ["A=1=2", "DB_PASSWORD=-", "B=", "TOKEN=-"]
    assert deployments.settings_given(words, lines) == {
        "A": "1=2", "DB_PASSWORD": "hunter2", "B": "", "TOKEN": "second=3",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("A", "is no KEY=VALUE"),
        ("=1", "is no KEY=VALUE"),
        ("A=-", "no line was given"),
        ("DB_PASSWORD=hunter2", "DB_PASSWORD=- reads it"),
        ("DATABASE_URL=postgresql://u:hunter2@h/d", "DATABASE_URL=- reads it"),
    ],
)
def test_no_secret_is_taken_from_a_command_line(word: str, said: str) -> None:
    """Nor is it repeated."""
    with pytest.raises(BadRequest) as caught:
        deployments.settings_given([word], io.StringIO())
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


PLAN = {
    "app": "shop",
    "release": "f" * 64,
    "changes": [{"path": "/srv/a.py", "before": {"kind": "absent"}, "after": {"kind": "file"}}],
    "sets": [{"subject": "/etc/shop.env#TTL", "before": "5", "after": "60"}],
    "extras": [
        {"kind": "data", "name": "migrations", "argv": ["shop", "migrate"],
         "saved": ["/srv/shop.db"], "stands": ["app.service"]}
    ],
    "broken": ["app.py: does not parse"],
}  # fmt: skip


def test_a_plan_says_everything() -> None:
    """Files, settings, what is run, what is saved, what stands still, which rule is broken."""
    text = deployments.told(PLAN)
    for part in (
        "release ffffffffffff", "new      /srv/a.py", "/etc/shop.env#TTL: 5 → 60",
        "then data migrations: shop migrate", "/srv/shop.db", "app.service", "does not parse",
    ):  # fmt: skip
        assert part in text
    assert deployments.exit_code(PLAN) == 1
    assert deployments.exit_code({**PLAN, "broken": []}) == 0


def test_rows_that_are_only_in_a_backup_are_told() -> None:
    """With how many seconds they are of."""
    ended: dict[str, Any] = {
        "app": "shop", "release": "", "new": 0, "modified": 1, "deleted": 0, "kept": False,
        "why": "case health", "ran": [{"kind": "data", "name": "m", "changed": ["0004"]}],
        "down_s": 2.26, "back": {"left": "20261121T1", "lost_s": 8.5},
    }  # fmt: skip
    text = deployments.told(ended)
    assert "shop: change was not proved, all is as before: case health" in text
    assert "data m: 0004" in text and "stood still for 2.3 s" in text
    assert "the 8.5 s of the proof is not in them any more, but in backup 20261121T1" in text


def test_what_waits_says_how_it_is_approved() -> None:
    """Exit code 3."""
    waits = {"app": "shop", "deployment": "d-1", "state": "awaiting approval"}
    assert deployments.told(waits) == "shop: d-1 waits for approval: autoloop approve d-1"
    assert deployments.exit_code(waits) == 3


def test_settings_are_no_parameters_of_a_run(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A running platform is handed them by its API, which puts them into a block."""
    sent: list[Any] = []

    def call(_: str, path: str, body: Any) -> Any:
        sent.append((path, body))
        return {"flow_run": "1"}

    async def result(*_: Any) -> dict[str, bool]:
        return {"kept": True}

    monkeypatch.setattr(client, "use_prefect", lambda: None)
    monkeypatch.setattr(client, "running", lambda: True)
    monkeypatch.setattr(client, "call", call)
    monkeypatch.setattr(client, "_result", result)
    wanted = {"app": "shop", "settings": {"A": "hunter2"}}
    assert client.change(wanted) == {"kept": True}
    assert sent == [("/api/changes", wanted)]
