"""The ``autoloop.toml`` of the demo application, as it runs without root on this machine."""

from typing import Any


def document(facts: dict[str, Any], state_dir: str) -> dict[str, Any]:
    """The document for what ``examples/lingzhi/local.py up`` printed."""
    url = facts["url"]
    login = {"username": "admin", "password": "admin-lingzhi-demo"}
    return {
        "name": "lingzhi",
        "environment": "development",
        "host": {"address": "local", "state_dir": state_dir},
        "code": {"path": facts["app"]},
        "data": {"sqlite": [facts["database"]]},
        "components": [
            {
                "name": "app",
                "manager": "supervisord",
                "supervisorctl": facts["supervisorctl"],
                "unit": facts["unit"],
                "port": int(url.rsplit(":", 1)[1]),
                "settings": facts["settings"],
                "config": [f"{facts['app']}/gunicorn.conf.py"],
                "logs": [facts["logs"]["error"], facts["logs"]["supervisor-lingzhi"]],
                "access_logs": [facts["logs"]["access"]],
            }
        ],
        "cases": [
            {"name": "health", "url": f"{url}/api/health", "json_equals": {"status": "ok"}},
            {
                "name": "login",
                "url": f"{url}/api/login",
                "method": "POST",
                "body": login,
                "safe": True,
                "capture": {"token": "token"},
            },
            {
                "name": "check-in status",
                "url": f"{url}/api/checkin/status",
                "headers": {"Authorization": "Bearer {token}"},
            },
        ],
        "health": {"every_s": 10, "confirm": 2, "confirm_gap_s": 1, "ready_s": 30, "hold_s": 3},
    }
