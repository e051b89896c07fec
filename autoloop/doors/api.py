"""The REST API: the same requests and answers as every other door."""

import asyncio
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Header
from fastapi import Request as HttpRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from autoloop.core.errors import AutoloopError, BadRequest, HostUnreachable, NotAllowed, NotFound
from autoloop.core.incident import OPERATOR, request_of
from autoloop.core.redact import redact
from autoloop.doors.intake import decide_run, go_on, parameters_of, start_run, take
from autoloop.doors.replaying import replay
from autoloop.doors.shapes import (
    Apps,
    Change,
    Decided,
    Decision,
    Deployed,
    Health,
    NewIncident,
    NewRun,
    Record,
    Records,
    Replay,
    Started,
    Taken,
    refusals,
)
from autoloop.ledger.store import Ledger

BODY_LIMIT = 1 << 20
STATUS = {NotFound: 404, NotAllowed: 401, BadRequest: 422, HostUnreachable: 503}
Key = Annotated[
    str,
    Header(
        max_length=128,
        description="the same key does it once; it belongs to the token",
        examples=["alert-4711"],
    ),
]
ABOUT = "Repairs broken web applications. The guide is docs/reference/api.md in the source."
ENDINGS = {"html": "text/html", "md": "text/markdown", "json": "application/json"}


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
    api = FastAPI(
        title="autoloop",
        version="1",
        description=ABOUT,
        docs_url="/docs",
        redoc_url=None,
        responses=refusals(413, 422),
    )
    api.add_middleware(Bounded, limit=BODY_LIMIT)
    bearer = HTTPBearer(auto_error=False, description="the file 'token' in AUTOLOOP_HOME")

    def actor(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> str:
        said = given.credentials.encode() if given else b""
        if not hmac.compare_digest(said, token.encode()):
            raise NotAllowed(
                "api", "no valid bearer token", "read the file 'token' in AUTOLOOP_HOME"
            )
        return OPERATOR

    Actor = Annotated[str, Depends(actor)]  # noqa: N806 - it is a type
    refuse(api)

    @api.get("/healthz", tags=["platform"])
    async def healthz() -> Health:
        """Whether the API and its ledger answer. Needs no token."""
        await asyncio.to_thread(ledger.ping)
        return Health(status="ok")

    @api.get("/api/apps", tags=["applications"], responses=refusals(401))
    async def apps(_: Actor) -> Apps:
        """The applications under care."""
        return Apps.model_validate({"apps": await asyncio.to_thread(ledger.apps)})

    @api.post(
        "/api/incidents",
        status_code=202,
        tags=["incidents"],
        responses=refusals(401, 404, 503),
    )
    async def report(body: NewIncident, by: Actor, idempotency_key: Key = "") -> Taken:
        """Report trouble. Its repair is started; the same trouble, or the same key, starts one."""
        request = request_of(**body.model_dump(), bearer=by, idempotency_key=idempotency_key)
        incident, new = await take(ledger, request)
        nudge()
        return Taken(incident=incident.id, new=new, state=incident.state)

    @api.get("/api/incidents", tags=["incidents"], responses=refusals(401))
    async def incidents(_: Actor, app: str = "", limit: int = 50) -> Records:
        """Incidents, the newest first: of one application or of all, 500 at most."""
        rows = await asyncio.to_thread(ledger.records, app, min(max(limit, 1), 500))
        return Records.model_validate({"incidents": rows})

    @api.get("/api/incidents/{number}", tags=["incidents"], responses=refusals(401, 404))
    async def incident(number: str, _: Actor) -> Record:
        """One incident with its diagnosis, plan, outcome and timeline."""
        return Record.model_validate(await asyncio.to_thread(ledger.record, number))

    @api.post(
        "/api/incidents/{number}/decision",
        status_code=202,
        tags=["incidents"],
        responses=refusals(401, 404, 409),
    )
    async def decide(number: str, body: Decision, _: Actor) -> Decided:
        """Approve or reject the plan that an incident waits with. The first decision counts."""
        told = (number, body.approved, body.actor, body.reason)
        incident = await asyncio.to_thread(ledger.decide, *told)
        await go_on(incident)
        nudge()
        return Decided(incident=incident.id, approved=body.approved)

    @api.get(
        "/api/incidents/{number}/report.{ending}",
        tags=["incidents"],
        response_class=FileResponse,
        responses=refusals(401, 404),
    )
    async def written(number: str, ending: str, _: Actor) -> FileResponse:
        """The report of an incident that has ended: html, md, json, zh.html or zh.md."""
        known = (await asyncio.to_thread(ledger.record, number))["id"]
        path = reports / f"{known}.{ending}"
        if ending.removeprefix("zh.") not in ENDINGS or not path.is_file():
            raise NotFound(f"report {number}.{ending}", "is not written", "wait for its end")
        return FileResponse(path, media_type=ENDINGS[ending.removeprefix("zh.")])

    @api.get("/api/replay", tags=["incidents"], responses=refusals(401, 404))
    async def replayed(
        _: Actor, app: str = "", since: str = "", before: str = "", limit: int = 50
    ) -> Replay:
        """Past incidents through today's rules: the newest of one application or of all, 200 at
        most; older ones by what the answer calls older, as before. Nothing is asked of any host."""
        most = min(max(limit, 1), 200)
        return Replay.model_validate(
            await asyncio.to_thread(replay, ledger, app, since, before, most)
        )

    @api.post(
        "/api/deployments/{number}/decision",
        status_code=202,
        tags=["runs"],
        responses=refusals(401, 404, 409),
    )
    async def decide_deployment(number: str, body: Decision, _: Actor) -> Deployed:
        """Approve or reject a deployment, going back, or a change that waits for a person."""
        await decide_run(number, {**body.model_dump(), "reason": redact(body.reason)})
        nudge()
        return Deployed(deployment=number, approved=body.approved)

    @api.post(
        "/api/changes",
        status_code=202,
        tags=["runs"],
        responses=refusals(401, 404, 503),
    )
    async def change(body: Change, _: Actor, idempotency_key: Key = "") -> Started:
        """Set settings, run procedures and bring code as one change. Settings may be secret: they
        go into a block, never into the run."""
        await asyncio.to_thread(ledger.check_app, body.app)
        number = await start_run("change", await parameters_of(body), idempotency_key or None)
        nudge()
        return Started(flow_run=str(number))

    @api.post(
        "/api/runs/{deployment}",
        status_code=202,
        tags=["runs"],
        responses=refusals(401, 404, 503),
    )
    async def run(deployment: str, body: NewRun, _: Actor, idempotency_key: Key = "") -> Started:
        """Start a run of a deployment; the same key starts it once."""
        number = await start_run(deployment, body.parameters, idempotency_key or None)
        nudge()
        return Started(flow_run=str(number))

    return api


def refuse(api: FastAPI) -> None:
    """Every refusal has a code, a place, what is wrong, and a next step."""

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
