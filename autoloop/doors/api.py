"""The REST API: the same requests and answers as every other door."""

import asyncio
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from autoloop.core.errors import AutoloopError, BadRequest, NotAllowed, NotFound
from autoloop.core.incident import TEXT_LIMIT, Request
from autoloop.doors.intake import start_run, take
from autoloop.ledger.store import Ledger

BODY_LIMIT = 1 << 20
STATUS = {NotFound: 404, NotAllowed: 401, BadRequest: 422}
ENDINGS = {"html": "text/html", "md": "text/markdown", "json": "application/json"}


class NewIncident(BaseModel):
    """What is reported. *app* is the name it was registered with."""

    model_config = ConfigDict(extra="forbid")
    app: str = Field(max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")
    text: str = Field(default="", max_length=TEXT_LIMIT)
    fields: dict[str, str] = Field(default_factory=dict, max_length=64)


class NewRun(BaseModel):
    """Parameters of a deployment's run."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, Any] = Field(default_factory=dict)


def build(ledger: Ledger, token: str, reports: Path, nudge: Callable[[], None]) -> FastAPI:
    """The API over *ledger*; every call but ``/healthz`` needs the bearer *token*."""
    api = FastAPI(title="autoloop", version="1", docs_url="/docs", redoc_url=None)

    def actor(authorization: Annotated[str, Header()] = "") -> str:
        given = authorization.removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, token.encode()):
            raise NotAllowed(
                "api", "no valid bearer token", "read the file 'token' in AUTOLOOP_HOME"
            )
        return "token"

    Actor = Annotated[str, Depends(actor)]  # noqa: N806 - it is a type

    @api.exception_handler(AutoloopError)
    async def named(_: HttpRequest, error: AutoloopError) -> JSONResponse:
        return JSONResponse(error.as_json(), STATUS.get(type(error), 409))

    @api.exception_handler(RequestValidationError)
    async def invalid(_: HttpRequest, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        wrong = BadRequest(place, first["msg"], "see /docs")
        return JSONResponse(wrong.as_json(), 422)

    @api.get("/healthz")
    async def healthz() -> dict[str, str]:
        await asyncio.to_thread(ledger.ping)
        return {"status": "ok"}

    @api.get("/api/apps")
    async def apps(_: Actor) -> dict[str, Any]:
        return {"apps": await asyncio.to_thread(ledger.apps)}

    @api.post("/api/incidents", status_code=202)
    async def report(
        body: NewIncident, by: Actor, idempotency_key: Annotated[str, Header(max_length=128)] = ""
    ) -> dict[str, Any]:
        request = Request(**body.model_dump(), actor=by, idempotency_key=idempotency_key)
        incident, new = await take(ledger, request)
        nudge()
        return {"incident": incident.id, "new": new, "state": incident.state}

    @api.get("/api/incidents")
    async def incidents(_: Actor, app: str = "", limit: int = 50) -> dict[str, Any]:
        rows = await asyncio.to_thread(ledger.records, app, min(max(limit, 1), 500))
        return {"incidents": rows}

    @api.get("/api/incidents/{number}")
    async def incident(number: str, _: Actor) -> dict[str, Any]:
        return await asyncio.to_thread(ledger.record, number)

    @api.get("/api/incidents/{number}/report.{ending}")
    async def written(number: str, ending: str, _: Actor) -> FileResponse:
        known = (await asyncio.to_thread(ledger.record, number))["id"]
        path = reports / f"{known}.{ending}"
        if ending.removeprefix("zh.") not in ENDINGS or not path.is_file():
            raise NotFound(f"report {number}.{ending}", "is not written", "wait for its end")
        return FileResponse(path, media_type=ENDINGS[ending.removeprefix("zh.")])

    @api.post("/api/runs/{deployment}", status_code=202)
    async def run(
        deployment: str,
        body: NewRun,
        _: Actor,
        idempotency_key: Annotated[str, Header(max_length=128)] = "",
    ) -> dict[str, Any]:
        number = await start_run(deployment, body.parameters, idempotency_key or None)
        nudge()
        return {"flow_run": str(number)}

    return api
