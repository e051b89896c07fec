"""Health: what is looked at on a schedule, and when it becomes an incident."""

import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from autoloop.core.errors import AutoloopError, NotSettled
from autoloop.core.incident import Request, State
from autoloop.core.target import Observer, Read
from autoloop.core.taxonomy import Severity
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.backup import backup_action
from tasks.busy import alone, changed_since
from tasks.look import Look, look_often
from tasks.mail import tell_of_recovery
from tasks.step import step
from tasks.target import ledger, session_of, spec_of, working_on, writing

log = logging.getLogger("autoloop.health")


class HealthResult(Frozen):
    """The outcome of one check."""

    app: str
    well: bool
    cause: str = ""
    incident: str = ""
    skipped: str = ""


class Adopted(Frozen):
    """The good state of an application that was taken into care."""

    app: str
    backup: str
    files: int


@step(keep=False, retries=0, timeout_s=600)
def check_applications(work: Work, apps: list[str]) -> list[HealthResult]:
    """Look at all of them, many at a time. What is wrong becomes an incident; see `check`."""
    with ThreadPoolExecutor(max_workers=16, thread_name_prefix="health") as pool:
        return list(pool.map(lambda app: check(Work(id=f"{work.id}/{app}", app=app)), apps))


def check(work: Work) -> HealthResult:
    """One application: skipped while it is being repaired, or while an earlier look still runs."""
    if work.app not in ledger().apps():
        return HealthResult(app=work.app, well=False, skipped="is not under care")
    began = time.time()
    with alone("health", work.app) as first:
        if not first:
            return HealthResult(app=work.app, well=False, skipped="an earlier look still runs")
        if (live := ledger().live(work.app)) is not None:
            return HealthResult(
                app=work.app, well=False, skipped="being repaired", incident=live.id
            )
        try:
            with working_on(work):
                look = look_often(spec_of(work), session_of(work))
                if not look.well and changed_since(work.app, began):
                    return HealthResult(app=work.app, well=False, skipped="being changed")
                return note_health(work, look)
        except AutoloopError as error:
            name = type(error).__name__
            return _troubled(work, name, f"health check: {name}: {error}")
        except Exception as error:
            log.exception("health of %s", work.app)
            return HealthResult(app=work.app, well=False, cause=repr(error)[:300])


@step(keep=False, retries=1)
def check_health(work: Work) -> Look:
    """The same as a step of its own."""
    return look_often(spec_of(work), session_of(work))


def note_health(work: Work, look: Look) -> HealthResult:
    """Open an incident for what is wrong; close those a person was asked about when all is well."""
    top = look.diagnosis.top
    if not look.well:
        excerpts = "; ".join(e.excerpt for e in top.evidence)
        text = f"health check: {top.name} {top.culprit}: {excerpts}"
        return _troubled(work, top.name, text, look.diagnosis.severity)
    for waiting in ledger().asked(work.app):
        ledger().move(waiting["id"], State.CLOSED, "well again; not by a remedy")
        tell_of_recovery(waiting["id"])
    _remember_good(work, look)
    return HealthResult(app=work.app, well=True)


def _troubled(work: Work, cause: str, text: str, severity: Severity = "P1") -> HealthResult:
    """One incident for one trouble: none for what a person is asked about already."""
    for waiting in ledger().asked(work.app):
        if _is_known(waiting, cause):
            ledger().note(waiting["id"], "still so")
            return HealthResult(app=work.app, well=False, cause=cause, incident=waiting["id"])
    request = Request(
        app=work.app, text=text[:4000], severity=severity, source="health", actor="health"
    )
    incident, _ = ledger().open_incident(request)
    return HealthResult(app=work.app, well=False, cause=cause, incident=incident.id)


def _is_known(record: Mapping[str, Any], cause: str) -> bool:
    """Whether what a health check sees is among what was found, or reported, for that incident."""
    found = (record["diagnosis"] or {}).get("causes", ())
    return any(one["name"] == cause for one in found) or cause in str(record["text"])


@step()
def remember_good(work: Work, look: Look) -> Adopted:
    """Back the application up as good; it must be well."""
    if not look.well:
        complaint = "; ".join(r.why for r in look.cases if not r.passed)
        what = f"is not well ({look.diagnosis.top.name}: {complaint or 'a component is down'})"
        raise NotSettled(f"app {work.app}", what, "repair it, or correct its autoloop.toml")
    action = backup_action(spec_of(work), "taken into care", good=True)
    done = session_of(work).do(work.op("good"), action)
    return Adopted(app=work.app, backup=done.value["id"], files=done.value["files"])


def _remember_good(work: Work, look: Look) -> None:
    """A changed configuration becomes the good one once it runs and all is well."""
    if not look.facts.drift or ledger().live(work.app) is not None:
        return
    spec, session = spec_of(work), session_of(work)
    for part in spec.components:
        changed = [d.path for d in look.facts.drift if d.path in part.files()]
        if changed and not _started_since(look, part.name, session_of(work), changed):
            return
    with writing(work):
        action = backup_action(spec, "well with a changed configuration", good=True)
        session.do(work.op("good"), action)


def _started_since(look: Look, part: str, session: Observer, paths: list[str]) -> bool:
    """Whether the component became active after its files were changed; unknown counts as no."""
    since = look.facts.components[part].service.since
    if not since:
        return False
    started = look.facts.now - look.facts.uptime + since
    reads = [Read(op="run", args={"argv": ["stat", "-c", "%Z", path]}) for path in paths]
    stamps = [a.value["out"].strip() for a in session.observe(reads) if a.ok]
    return all(stamp.isdigit() and float(stamp) < started for stamp in stamps)
