"""What the REST API takes and answers, with examples: its OpenAPI document is made of this."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from autoloop.core.app import AppName
from autoloop.core.hindsight import Hindsight
from autoloop.core.incident import OPERATOR, Door, State
from autoloop.core.taxonomy import Severity


def _taken(example: dict[str, Any]) -> ConfigDict:
    """Of a body: what it does not know is refused."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


def _given(example: dict[str, Any]) -> ConfigDict:
    """Of an answer: there may be more in it."""
    return ConfigDict(extra="allow", json_schema_extra={"examples": [example]})


class NewIncident(BaseModel):
    """What is reported. *app* is the name it was registered with.

    *type* is a class of errors or a full name, in any case, English or Chinese. *source* and
    *actor* say which door it came through, and who told it.
    """

    model_config = _taken(
        {
            "app": "shop",
            "text": "用户名或密码错误",
            "type": "login",
            "fields": {"username": "admin"},
            "actor": "ann",
        }
    )
    app: AppName
    text: str = ""
    type: str = Field(default="", max_length=100)
    fields: dict[str, str] = Field(default_factory=dict, max_length=64)
    source: Door = "api"
    actor: str = Field(default=OPERATOR, min_length=1, max_length=128)


class Taken(BaseModel):
    """The incident that it became. *new* is false when the trouble, or the key, was known."""

    model_config = _given({"incident": "i-7407f1bed692", "new": True, "state": "open"})
    incident: str
    new: bool
    state: State


class Decision(BaseModel):
    """What a person decided about the plan of an incident."""

    model_config = _taken({"approved": True, "actor": "ann", "reason": "at night is fine"})
    approved: bool
    actor: str = Field(default=OPERATOR, max_length=128)
    reason: str = Field(default="", max_length=500)


class Decided(BaseModel):
    """The decision that counts."""

    model_config = _given({"incident": "i-7407f1bed692", "approved": True})
    incident: str
    approved: bool


class Deployed(BaseModel):
    """What was decided of a deployment; its run goes on, or ends."""

    model_config = _given(
        {"deployment": "d-0193c5b8-7f2c-7d31-a1a3-5f0b8f6f1f0e", "approved": True}
    )
    deployment: str
    approved: bool


class Change(BaseModel):
    """What a person wants changed. Values of *settings* may be secret."""

    model_config = _taken({"app": "shop", "settings": {"SESSION_SECONDS": "1800"}})
    app: AppName
    settings: dict[str, str] = Field(default_factory=dict, max_length=64)
    component: str = Field(default="", max_length=64)
    procedures: list[str] = Field(default_factory=list, max_length=16)
    source: str = Field(default="", max_length=4096)
    plan_only: bool = False


class NewRun(BaseModel):
    """Parameters of a deployment's run, as ``prefect.yaml`` and the flow's signature name them."""

    model_config = _taken({"parameters": {"apps": ["shop"], "rounds": 3}})
    parameters: dict[str, Any] = Field(default_factory=dict)


class Started(BaseModel):
    """The run that was started, or that the key had started before: its id in Prefect."""

    model_config = _given({"flow_run": "0193c5b8-7f2c-7d31-a1a3-5f0b8f6f1f0e"})
    flow_run: str


class Health(BaseModel):
    """The API and its ledger answer."""

    model_config = _given({"status": "ok"})
    status: str


class About(BaseModel):
    """What is known of an application under care."""

    model_config = ConfigDict(extra="allow")
    environment: str = ""
    host: str = ""
    every_s: float = 0
    updated: str = ""


class Apps(BaseModel):
    """The applications under care, by name."""

    model_config = _given(
        {
            "apps": {
                "shop": {
                    "environment": "production",
                    "host": "10.0.0.5",
                    "every_s": 30,
                    "updated": "2026-11-21T19:20:01.000+00:00",
                }
            }
        }
    )
    apps: dict[str, About]


class Step(BaseModel):
    """One step of an incident's life."""

    at: str
    state: State
    reason: str


class Record(BaseModel):
    """An incident with everything that is known of it; *ended* is empty while it lives."""

    model_config = _given(
        {
            "id": "i-7407f1bed692",
            "app": "shop",
            "state": "closed",
            "severity": "P0",
            "source": "api",
            "actor": "ann",
            "text": "502 Bad Gateway",
            "events": 2,
            "opened": "2026-11-21T19:20:01.000+00:00",
            "ended": "2026-11-21T19:20:19.000+00:00",
            "diagnosis": {
                "severity": "P0",
                "causes": [
                    {
                        "name": "SERVICE.service_down",
                        "culprit": "shop.service",
                        "component": "app",
                        "confidence": 0.9,
                    }
                ],
            },
            "outcome": {"remedy": "start_service", "kept": True},
            "timeline": [
                {
                    "at": "2026-11-21T19:20:01.000+00:00",
                    "state": "open",
                    "reason": "reported through the API by ann",
                }
            ],
        }
    )
    id: str
    app: str
    state: State
    severity: Severity
    opened: str
    ended: str
    diagnosis: dict[str, Any] | None = None
    plan: dict[str, Any] | None = None
    decision: dict[str, Any] | None = None
    outcome: dict[str, Any] | None = None
    timeline: list[Step] = Field(default_factory=list)


class Records(BaseModel):
    """Incidents, the newest first."""

    incidents: list[Record]


class Replay(BaseModel):
    """Past incidents through today's rules, the oldest first, and how many of them are named as
    then. Of *not_kept* nothing tells what was seen. *older*, if any, is asked with as *before*."""

    model_config = _given(
        {
            "incidents": [
                {
                    "incident": "i-7407f1bed692",
                    "app": "shop",
                    "opened": "2026-11-21T19:20:01.000+00:00",
                    "was": {"name": "CONFIG.invalid_config_file", "confidence": 0.8},
                    "now": {"name": "CODE.runtime_error", "confidence": 0.82},
                    "verdict": "better",
                    "why": "past repairs: repairs of this cause here: 3 proved, 0 put back",
                    "proved": ["CODE.runtime_error"],
                }
            ],
            "same": 0,
            "better": 1,
            "worse": 0,
            "other": 0,
            "not_kept": [],
            "older": "",
        }
    )
    incidents: list[Hindsight]
    same: int
    better: int
    worse: int
    other: int
    not_kept: list[str]
    older: str


class Wrong(BaseModel):
    """A refusal: where, what with its value, and what to do next. *code* tells its range:
    1000 general, 2000 model, 3000 applications, 4000 containers, 5000 hosts, 6000 deployments,
    7000 databases, 8000 backups, 9000 messages."""

    model_config = _given(
        {
            "code": 1004,
            "error": "NotFound",
            "place": "app 'nope'",
            "what": "is not under care",
            "next": "autoloop register autoloop.toml",
        }
    )
    code: int
    error: str
    place: str
    what: str
    next: str


WHEN = {
    401: "no valid token",
    404: "it does not exist",
    409: "any other named error, such as a state that does not allow it",
    413: "the body is larger than 1 MiB",
    422: "the request cannot be taken as it is",
    503: "Prefect's server does not answer",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The answers of a call that is not taken, for its OpenAPI entry."""
    return {status: {"model": Wrong, "description": WHEN[status]} for status in statuses}
