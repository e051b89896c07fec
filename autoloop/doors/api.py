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
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoloop.core.app import AppName
from autoloop.core.errors import AutoloopError, BadRequest, HostUnreachable, NotAllowed, NotFound
from autoloop.core.incident import OPERATOR, Door, request_of
from autoloop.doors.intake import go_on, start_run, take
from autoloop.ledger.store import Ledger

BODY_LIMIT = 1 << 20
STATUS = {NotFound: 404, NotAllowed: 401, BadRequest: 422, HostUnreachable: 503}
ENDINGS = {"html": "text/html", "md": "text/markdown", "json": "application/json"}


class NewIncident(BaseModel):
    """What is reported. *app* is the name it was registered with.

    *type* is a class of errors or a full name, in any case, English or Chinese. *source* and
    *actor* say which door it came through, and who told it.
    """

    model_config = ConfigDict(extra="forbid")
    app: AppName
    text: str = ""
    type: str = Field(default="", max_length=100)
    fields: dict[str, str] = Field(default_factory=dict, max_length=64)
    source: Door = "api"
    actor: str = Field(default=OPERATOR, min_length=1, max_length=128)


class Decision(BaseModel):
    """What a person decided about the plan of an incident."""

    model_config = ConfigDict(extra="forbid")
    approved: bool
    actor: str = Field(default="token", max_length=128)
    reason: str = Field(default="", max_length=500)


class NewRun(BaseModel):
    """Parameters of a deployment's run."""

    model_config = ConfigDict(extra="forbid")
    parameters: dict[str, Any] = Field(default_factory=dict)


class Bounded:
    """Refuses a body of more than *limit* bytes before it is in memory, announced or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body in bounds, then let the application have it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body, more = b"", True
        while more and len(body) <= self.limit:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if len(body) > self.limit:
            wrong = BadRequest("body", f"is larger than {self.limit} bytes", "shorten it")
            await JSONResponse(wrong.as_json(), 413)(scope, receive, send)
            return
        left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Message:
            return left.pop() if left else await receive()

        await self.app(scope, again, send)


def build(ledger: Ledger, token: str, reports: Path, nudge: Callable[[], None]) -> FastAPI:
    """The API over *ledger*; every call but ``/healthz`` needs the bearer *token*."""
    api = FastAPI(title="autoloop", version="1", docs_url="/docs", redoc_url=None)
    api.add_middleware(Bounded, limit=BODY_LIMIT)

    def actor(authorization: Annotated[str, Header()] = "") -> str:
        given = authorization.removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, token.encode()):
            raise NotAllowed(
                "api", "no valid bearer token", "read the file 'token' in AUTOLOOP_HOME"
            )
        return OPERATOR

    Actor = Annotated[str, Depends(actor)]  # noqa: N806 - it is a type

    @api.exception_handler(AutoloopError)
    async def named(_: HttpRequest, error: AutoloopError) -> JSONResponse:
        return JSONResponse(error.as_json(), STATUS.get(type(error), 409))

    @api.exception_handler(HTTPException)
    async def unknown(http: HttpRequest, error: HTTPException) -> JSONResponse:
        kind = NotFound if error.status_code == 404 else BadRequest
        wrong = kind(f"{http.method} {http.url.path}", str(error.detail), "see /docs")
        return JSONResponse(wrong.as_json(), error.status_code)

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
        request = request_of(**body.model_dump(), bearer=by, idempotency_key=idempotency_key)
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

    @api.post("/api/incidents/{number}/decision", status_code=202)
    async def decide(number: str, body: Decision, _: Actor) -> dict[str, Any]:
        told = (number, body.approved, body.actor, body.reason)
        incident = await asyncio.to_thread(ledger.decide, *told)
        await go_on(incident)
        nudge()
        return {"incident": incident.id, "approved": body.approved}

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
