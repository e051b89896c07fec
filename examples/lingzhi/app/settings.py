"""All settings of lingzhi, read once from the environment.

A required setting that is missing raises `KeyError` with the name of the variable at
import, so that a half-configured app does not start.
"""

import json
import os
from pathlib import Path
from typing import Any


def _json_object(name: str) -> dict[str, Any]:
    """The JSON object in the variable `name`; `{}` when unset or empty."""
    raw = os.environ.get(name) or "{}"
    try:
        value = json.loads(raw)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name}: not valid JSON ({error}) - give a JSON object") from error
    if not isinstance(value, dict):
        raise ValueError(f"{name}: {raw!r} is not an object - give a JSON object")
    return value


DATABASE_URL = os.environ["DATABASE_URL"]
SECRET_KEY = os.environ["SECRET_KEY"]
JWT_TTL_S = int(os.environ["JWT_TTL_S"])

REDIS_URL = os.environ.get("REDIS_URL")
AGENT_MODEL_CONFIG = _json_object("AGENT_MODEL_CONFIG")
LOG_DIR = Path(os.environ.get("LINGZHI_LOG_DIR", "/var/log/lingzhi"))
