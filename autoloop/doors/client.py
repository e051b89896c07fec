"""What every local door does: ask the running platform, or be one for the length of one run."""

import asyncio
import contextlib
import fcntl
import getpass
import json
import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from autoloop.core import errors
from autoloop.core.app import AppSpec, parse_app
from autoloop.core.care import refuse_shared
from autoloop.core.errors import (
    AutoloopError,
    BadRequest,
    BadSpec,
    DeadlineExceeded,
    HostNotReady,
    HostUnreachable,
    NotFound,
    NotSettled,
    RuleBroken,
)
from autoloop.core.incident import ENDED, OPERATOR, Incident, Request
from autoloop.core.words import Language
from autoloop.ledger.store import Ledger
from autoloop.settings import settings

WAIT_S = 600.0
START_S = 120
"""Seconds that a server of this process's own may take to start: a machine may be busy."""
INSTALL_S = 3600.0
"""Seconds that a first deployment is waited for: packages may be many."""
CONSOLE = "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"
"""From which level on Prefect writes to the terminal."""

DEPLOYMENTS = {"deploy": "d-", "rollback": "r-", "change": "c-", "install": "n-"}
"""How the names of what these flows do begin."""

_RAISED = re.compile(r"Flow run encountered an exception: (\w+): (.+?): (.+) - (.+)", re.DOTALL)


def read_spec(path: Path) -> AppSpec:
    """The application that an ``autoloop.toml`` describes.

    Raises:
        BadSpec: it cannot be read; the message names the line or the key.
    """
    try:
        text = path.read_text("utf-8")
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
        return parse_app(document, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise BadSpec(str(path), f"cannot be read: {error}", "name an autoloop.toml") from None
    except ValueError as error:  # no TOML, no JSON, or a number of thousands of digits
        raise BadSpec(str(path), str(error), "correct that line") from None
    except RecursionError:
        raise BadSpec(str(path), "is nested too deeply", "name an autoloop.toml") from None


def ledger() -> Ledger:
    """The ledger of this platform's state folder."""
    return Ledger(settings().database_url)


def user() -> str:
    """Who sits at a local door."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "anonymous"


def running() -> bool:
    """Whether the platform of this state folder answers."""
    if not (settings().home / "platform.json").exists():
        return False
    try:
        return httpx.get(f"{settings().api_url}/healthz", timeout=3).status_code == 200
    except httpx.HTTPError:
        return False


def use_prefect() -> None:
    """Set Prefect up for this process: the running platform's server, or one of its own.

    Then what goes wrong is told by the door, and Prefect is quiet unless `CONSOLE` says otherwise.
    """
    environment = settings().prefect_environment()
    if not running():
        environment.pop("PREFECT_API_URL")
        environment["PREFECT_SERVER_ALLOW_EPHEMERAL_MODE"] = "true"
        environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = str(START_S)
        environment["PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW"] = "ignore"
        environment[CONSOLE] = os.environ.get(CONSOLE, "CRITICAL")
    (settings().home / "prefect").mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(environment)


def call(method: str, path: str, body: Any = None, key: str = "") -> Any:
    """One request to the running platform's API.

    Raises:
        AutoloopError: the one that the API named.
    """
    token = (settings().home / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    if key:
        headers["Idempotency-Key"] = key
    url = f"{settings().api_url}{path}"
    reply = httpx.request(method, url, json=body, headers=headers, timeout=60)
    if reply.is_error:
        said = reply.json() if "json" in reply.headers.get("content-type", "") else {}
        if "error" in said:
            from autoloop.agent.client import as_exception

            raise as_exception(said)
        raise AutoloopError(url, f"{reply.status_code} {reply.text[:200]}", "retry")
    return reply.json()


def register(path: Path) -> dict[str, Any]:
    """Put the application of an ``autoloop.toml`` under care: prove it well, remember it as good.

    Raises:
        BadSpec: the file is wrong.
        NotAllowed: another application under care has the same code, settings or databases.
        AutoloopError: the host does not answer, or the application is not well.
    """
    spec = read_spec(path)
    refuse_shared(spec, ledger().apps())
    use_prefect()
    from blocks.app import App

    App.of(spec).save(spec.name, overwrite=True)
    adopted = run("adopt", {"app": spec.name})
    _renew()
    return {"app": spec.name, **adopted}


def install(path: Path, source: str, settings: str, plan_only: bool) -> dict[str, Any]:
    """Bring the application of an ``autoloop.toml`` to a host that does not know it, and put it
    under care.

    Args:
        settings: the whole settings file; may be secret.

    Raises:
        NotSettled: it is under care already.
        NotAllowed: another application under care has the same code, settings or databases.
        AutoloopError: it was not begun, or could not be ended.
    """
    spec = read_spec(path)
    with _only_one(spec.name):
        if spec.name in ledger().apps():
            raise NotSettled(f"app {spec.name}", "is under care already", "autoloop deploy")
        refuse_shared(spec, ledger().apps())
        use_prefect()
        return _install(spec, source, settings, plan_only)


def _install(spec: AppSpec, source: str, text: str, plan_only: bool) -> dict[str, Any]:
    from blocks.app import App
    from blocks.wish import Wish

    App.of(spec).save(spec.name, overwrite=True)
    block = f"wish-{uuid4().hex}" if text else ""
    if text:
        Wish.of({"file": text}).save(block)
    parameters = {"app": spec.name, "source": source, "settings": block}
    try:
        done: dict[str, Any] = run("install", {**parameters, "plan_only": plan_only}, INSTALL_S)
    except DeadlineExceeded:  # it may be under way
        raise
    except AutoloopError as error:
        if block:
            with contextlib.suppress(ValueError):  # only a run that was killed has left it
                Wish.delete(block)
        if isinstance(error, (BadRequest, BadSpec, HostNotReady, RuleBroken)):
            App.delete(spec.name)  # nothing was begun
        raise
    if done.get("kept"):
        _renew()
    elif "state" not in done:  # what waits for approval needs it
        App.delete(spec.name)
    return done


@contextlib.contextmanager
def _only_one(name: str) -> Iterator[None]:
    """Be the only one here who brings the application *name* to a host.

    Raises:
        NotSettled: another process does.
    """
    folder = settings().home / "installing"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            what = "is being installed by another process here"
            raise NotSettled(f"app {name}", what, "wait for its end") from None
        yield


def unregister(app: str) -> dict[str, Any]:
    """Let an application out of care: nothing looks at it any more. Its host keeps its backups.

    Raises:
        NotFound: it is not under care.
    """
    book = ledger()
    book.forget_app(app)
    use_prefect()
    from blocks.app import App

    with contextlib.suppress(ValueError):  # there is no such block
        App.delete(app)
    _renew()
    return {"app": app}


def _renew() -> None:
    """A running platform offers what is under care at once: the next command may name it."""
    if running():
        deployments = __import__("importlib").import_module("autoloop.platform.deployments")
        asyncio.run(deployments.renew(ledger()))


def run(deployment: str, parameters: dict[str, Any], wait_s: float = WAIT_S) -> Any:
    """Run a deployment to its end and give its result: on the platform, or in this process.

    Raises:
        AutoloopError: the run failed; the message says why.
    """
    use_prefect()
    if not running():
        return _run_here(deployment, parameters)
    number = call("POST", f"/api/runs/{deployment}", {"parameters": parameters})["flow_run"]
    return asyncio.run(_result(number, wait_s, DEPLOYMENTS.get(deployment, "")))


def change(wanted: dict[str, Any], wait_s: float = WAIT_S) -> Any:
    """Change an application, and wait for the end; settings are no parameters of a run.

    Args:
        wanted: ``app``, ``settings``, ``component``, ``procedures``, ``source``, ``plan_only``.
    """
    use_prefect()
    if running():
        number = call("POST", "/api/changes", wanted)["flow_run"]
        return asyncio.run(_result(number, wait_s, DEPLOYMENTS["change"]))
    from autoloop.doors.shapes import Change

    intake = __import__("importlib").import_module("autoloop.doors.intake")
    return _run_here("change", asyncio.run(intake.parameters_of(Change(**wanted))))


def _run_here(deployment: str, parameters: dict[str, Any]) -> Any:
    from prefect.flows import load_flow_from_entrypoint

    flow: Any = load_flow_from_entrypoint(f"flows.{deployment}.{deployment}")
    try:
        return flow(**parameters).model_dump(mode="json")
    except RuntimeError as error:
        if "ephemeral" not in str(error):
            raise
        what = f"did not start within {START_S} s: this machine is very busy"
        raise HostUnreachable("Prefect server", what, "try again, or: autoloop up") from None


async def _result(number: str, wait_s: float, prefix: str = "") -> Any:
    from prefect.client.orchestration import get_client

    end = asyncio.get_running_loop().time() + wait_s
    async with get_client() as client:
        while True:
            found = await client.read_flow_run(__import__("uuid").UUID(number))
            if found.state and found.state.is_final():
                break
            if found.state and found.state.is_paused():
                return _waiting(found, prefix)
            if asyncio.get_running_loop().time() > end:
                place = f"run {number}"
                raise DeadlineExceeded(
                    place, f"not ended after {wait_s:g} s", "look at the Prefect UI"
                )
            await asyncio.sleep(0.2)
        if not found.state.is_completed():
            raise _why(f"run {number}", found.state.message or "failed")
        return _plain(await found.state.aresult())


def _waiting(run: Any, prefix: str) -> dict[str, Any]:
    """A run that a person must approve; *deployment* is what `autoloop approve` takes."""
    app = run.parameters.get("app", "")
    return {"app": app, "deployment": f"{prefix}{run.id}", "state": "awaiting approval"}


def _why(run: str, message: str) -> AutoloopError:
    """The error that a run ended with, as it was raised; or what Prefect says of it."""
    from autoloop.agent.client import as_exception

    found = _RAISED.fullmatch(message)
    if found and hasattr(errors, found[1]):
        return as_exception(
            dict(zip(("error", "place", "what", "next"), found.groups(), strict=True))
        )
    return AutoloopError(run, message, "look at the Prefect UI")


def _plain(value: Any) -> Any:
    """A run's result as JSON; its type may be one that this process does not know."""
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    return value["data"] if isinstance(value, dict) and "__class__" in value else value


def fix(request: Request, wait_s: float = WAIT_S) -> dict[str, Any]:
    """Hand trouble in and wait for its end: the incident's record.

    Raises:
        NotFound: the application is not under care.
    """
    book = ledger()
    book.check_app(request.app)
    use_prefect()
    if running():
        body = request.model_dump(include={"app", "text", "fields", "source", "actor"})
        number = call("POST", "/api/incidents", body, request.idempotency_key)["incident"]
        return _wait(book, number, wait_s)
    incident, _ = book.open_incident(request.model_copy(update={"bearer": OPERATOR}))
    if incident.state in ENDED:  # its key was used before
        return book.record(incident.id)
    try:
        _run_here(
            "remediate", {"app": incident.app, "error": incident.text, "incident": incident.id}
        )
    except AutoloopError:
        if book.record(incident.id)["state"] != "asked a person":
            raise
    return book.record(incident.id)


def _wait(book: Ledger, number: str, wait_s: float) -> dict[str, Any]:
    import time

    end = time.monotonic() + wait_s
    while time.monotonic() < end:
        record = book.record(number)
        if record["state"] == "awaiting approval":
            return record
        if record["ended"] and (settings().reports / f"{number}.json").exists():
            return record
        time.sleep(0.2)
    place = f"incident {number}"
    raise AutoloopError(place, f"not ended after {wait_s:g} s", "look at the Prefect UI")


def decide(number: str, approved: bool, actor: str, reason: str) -> dict[str, Any]:
    """Approve or reject the plan that an incident, or a deployment, waits with.

    Raises:
        NotSettled: nothing waits, or it was decided otherwise; or no platform runs.
    """
    if not running():
        what = "no platform runs here, so no plan waits"
        raise NotSettled(f"approval of {number}", what, "autoloop up")
    body = {"approved": approved, "actor": actor, "reason": reason}
    kind = "deployments" if number[:2] in DEPLOYMENTS.values() else "incidents"
    done: dict[str, Any] = call("POST", f"/api/{kind}/{number}/decision", body)
    return done


def only_app(book: Ledger, name: str, environment: str = "") -> str:
    """*name*, or when it is empty the only application there is (in *environment*, if given).

    Raises:
        NotFound: it is not under care, not in that environment, or there is not exactly one.
    """
    if name:
        book.check_app(name)
    apps = book.apps()
    found = [
        app
        for app, about in apps.items()
        if name in ("", app) and environment in ("", about.get("environment"))
    ]
    if len(found) == 1:
        return found[0]
    if environment:
        there = [f"{app} ({about.get('environment')})" for app, about in apps.items()]
        what = f"{len(found)} applications fit; under care: {', '.join(there) or 'none'}"
        raise NotFound(f"--env {environment[:64]}", what, "name one with --app")
    known = ", ".join(apps) or "none"
    raise NotFound("--app", f"which application? under care: {known}", "autoloop register FILE")


class Written(dict[str, Any]):
    """The written report of an incident: a JSON document, which is readable as text as well."""

    def text(self, language: Language = "en") -> str:
        """The report as Markdown."""
        from autoloop.core.report import Report
        from autoloop.core.telling import markdown

        return markdown(Report.model_validate(self), language)

    def __str__(self) -> str:
        return self.text(language())


def language(chosen: str = "") -> Language:
    """*chosen*, or the first language of the settings."""
    return "zh" if chosen == "zh" else "en" if chosen == "en" else settings().languages[0]


def report_of(incident: Incident) -> Written:
    """The written report of an incident.

    Raises:
        NotFound: it is not written yet.
    """
    return Written(json.loads(_report_file(incident, "json")))


def page_of(incident: Incident, language: Language) -> str:
    """The report of an incident as a page.

    Raises:
        NotFound: it is not written yet.
    """
    return _report_file(incident, "html" if language == "en" else "zh.html")


def _report_file(incident: Incident, ending: str) -> str:
    try:
        return (settings().reports / f"{incident.id}.{ending}").read_text("utf-8")
    except FileNotFoundError:
        place = f"report of {incident.id}"
        raise NotFound(place, "is not written yet", "wait for its end") from None


def backups(app: str, verify: str = "") -> Any:
    """The backups on the application's host; or the check of one, every content read again."""
    use_prefect()
    from autoloop.agent.session import Session
    from autoloop.core.target import Read
    from blocks.app import App

    block = App.load(app)
    assert isinstance(block, App)
    session = Session(block.host.connect, lambda _: 0)
    try:
        args = {"app": app, "backup": verify}
        answer = session.observe(
            [Read(op="verify_backup" if verify else "backups", args=args)], 300
        )[0]
    finally:
        session.close()
    if not answer.ok:
        raise NotFound(f"backups of {app}", answer.error, "autoloop backups --app APP")
    return answer.value


def look(app: str) -> Any:
    """One look at an application, as its runs look: facts, cases, and what follows from them."""
    use_prefect()
    from autoloop.agent.session import Session
    from blocks.app import App

    block = App.load(app)
    assert isinstance(block, App)
    session = Session(block.host.connect, lambda _: 0)
    try:
        return looking().look_at(block.spec, session)
    finally:
        session.close()


def looking() -> Any:
    """How runs look at an application; doors import no task before they need one."""
    return __import__("importlib").import_module("tasks.look")
