"""The agent's answers, made locally by the model that its settings name.

Settings of a model: `model` (a key of `MODELS`), `persona` (the name it answers under) and
`max_reply_chars`.
"""

from typing import Any


class UnknownModel(LookupError):
    """The settings name a model that is not there."""


def echo(message: str, persona: str) -> str:
    """Answer with what was said."""
    return f"{persona}: I heard you say: {' '.join(message.split())}"


MODELS = {"echo-1": echo}


def reply_to(message: str, config: dict[str, Any]) -> str:
    """The answer of the model in `config`, cut to `max_reply_chars`.

    Raises `UnknownModel`; `KeyError` when a setting is missing.
    """
    name = config["model"]
    if name not in MODELS:
        raise UnknownModel(f"model {name!r} is not known - use one of {', '.join(MODELS)}")
    return MODELS[name](message, config["persona"])[: config["max_reply_chars"]]
