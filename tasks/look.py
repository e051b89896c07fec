"""One look at an application: the facts, its cases, and what follows from them."""

import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any, Literal

import httpx

from autoloop.core.app import AppSpec
from autoloop.core.case import Case, CaseResult, Reply, judge, repeatable, run_cases, run_together
from autoloop.core.diagnose import diagnose
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.facts import (
    Facts,
    check_read,
    checked,
    closer,
    closer_reads_for,
    facts_from,
    reads_for,
    timed,
    with_earlier,
)
from autoloop.core.impact import OWN_AGENT
from autoloop.core.suspicions.procedures import worth_asking
from autoloop.core.target import Answer, Observer, Read
from autoloop.core.words import Frozen
from autoloop.core.work import Work

BODY_LIMIT = 1 << 20
"""Bytes of an answer that a case looks at, from the host and from the platform."""

Closely = Literal["if unwell", "at once", "no"]
"""When the second batch is asked: only if something is wrong, with the first one, or not."""

KILLED = frozenset(("signal", "core-dump"))
"""How a manager says that a process did not end by itself."""

SETTLE_S, SETTLE_GAP_S = 15.0, 1.0
"""How long such a service is waited for, and how often it is asked."""

SOON_S = 2.5
"""By then a host that is well has answered; and a session of the application that waits for a lock
has done so for longer than is ordinary (`WAITED_S` of the suspicions of servers)."""

SLOW_MS = 1000.0
"""A case that takes longer, and fails, is seldom the only one."""

FRESH_S = 15.0
_seen: dict[str, tuple[float, "Look"]] = {}


class Look(Frozen):
    """What was seen, at one moment."""

    facts: Facts
    cases: tuple[CaseResult, ...]
    diagnosis: Diagnosis
    at: str = ""

    @property
    def well(self) -> bool:
        """Whether there is no trouble of any kind."""
        return self.diagnosis.benign

    @property
    def usable(self) -> bool:
        """Whether every component serves and every case passes, whatever else may be wrong."""
        impact = self.diagnosis.impact
        return not impact.components and not impact.cases_failing

    def rid_of(self, cause: str) -> bool:
        """Whether it is usable, and *cause* is not confirmed any more."""
        return self.usable and all(found.name != cause for found in self.diagnosis.causes)


class HostCases:
    """Sends the requests of cases from the host itself."""

    def __init__(self, host: Observer) -> None:
        self._host = host

    def send(self, case: Case) -> Reply:
        """The reply that the host got."""
        return self.send_all((case,))[0]

    def send_all(self, cases: tuple[Case, ...]) -> tuple[Reply, ...]:
        """The replies that the host got to requests that it sent at the same time."""
        asked = {"url", "method", "headers", "body", "timeout_s"}
        reads = [Read(op="http", args=case.model_dump(include=asked)) for case in cases]
        answers = self._host.observe(reads, sum(case.timeout_s for case in cases) + 10)
        return tuple(
            Reply.model_validate(answer.value) if answer.ok else Reply(error=answer.error)
            for answer in answers
        )


class PlatformCases:
    """Sends the requests of cases from where the platform runs."""

    def send(self, case: Case) -> Reply:
        """The reply that the platform got."""
        began = time.monotonic()
        try:
            status, data, charset = _fetch(case, began + case.timeout_s)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return Reply(error=str(error) or type(error).__name__, ms=_ms(began))
        return Reply(status=status, body=_text(data, charset), ms=_ms(began))


def _fetch(case: Case, end: float) -> tuple[int, bytes, str]:
    """Status, at most `BODY_LIMIT` bytes and their charset, all of it before *end*."""
    headers = {"Accept-Encoding": "identity", **case.headers}
    if not any(name.lower() == "user-agent" for name in headers):
        headers["User-Agent"] = OWN_AGENT
    content = None
    if case.body is not None:
        content = case.body if isinstance(case.body, str) else json.dumps(case.body)
        headers.setdefault("Content-Type", "application/json")
    data = b""
    with httpx.stream(
        case.method, case.url, headers=headers, content=content,
        timeout=case.timeout_s, verify=False,  # noqa: S501 - as the host's own probe does
    ) as reply:  # fmt: skip
        for piece in reply.iter_raw():
            data += piece
            if len(data) >= BODY_LIMIT:
                break
            if time.monotonic() > end:
                raise TimeoutError("timed out")
    return reply.status_code, data[:BODY_LIMIT], reply.charset_encoding or "utf-8"


def _text(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def look_at(
    spec: AppSpec, host: Observer, closely: Closely = "if unwell", before: Look | None = None
) -> Look:
    """Look once: a round trip for the facts, one for each case; if something is wrong one more, and
    one for the checks of procedures that may still tell something. What is waited for in vain is
    waited for once: meanwhile the rest is asked.

    What grows is told by the look *before*.
    """
    reads = reads_for(spec)
    more = closer_reads_for(spec) if closely == "at once" else ()
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(_first, host, (*reads, *more), 120 if more else 60)
        early = _meanwhile(first, spec, host) if closely == "if unwell" else ()
        answers, asked_at, answered_at = first.result()
    facts = timed(facts_from(spec, answers[: len(reads)]), asked_at, answered_at)
    cases = _judged(repeatable(spec.cases), facts.health, HostCases(host))
    failing = tuple(result for result in cases if not result.passed)
    facts = facts.model_copy(update={"failing": failing})
    facts = with_earlier(facts, before.facts) if before else facts
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    diagnosis = diagnose(spec, facts, cases, at)
    if not diagnosis.benign and closely != "no":
        found = answers[len(reads) :] or early or host.observe(closer_reads_for(spec), 120)
        facts = closer(spec, facts, found)
        diagnosis = diagnose(spec, facts, cases, at)
        if due := worth_asking(spec, facts, diagnosis):
            facts = checked(facts, due, host.observe([check_read(one) for one in due], 120))
            diagnosis = diagnose(spec, facts, cases, at)
    return Look(facts=facts, cases=cases, diagnosis=diagnosis, at=at)


def _judged(cases: tuple[Case, ...], health: Reply, runner: HostCases) -> tuple[CaseResult, ...]:
    """What becomes of the cases, where the first one got *health*."""
    if health.status == 0:  # nobody answers: the other cases would only wait for it too
        return tuple(judge(case, health) for case in cases)
    if health.ms > SLOW_MS and health.status != cases[0].status:
        return run_together(cases, runner.send_all)
    return run_cases(cases, runner)


def _first(
    host: Observer, reads: tuple[Read, ...], deadline_s: float
) -> tuple[tuple[Answer, ...], float, float]:
    """The answers, and when they were asked for and given."""
    began = time.time()
    return host.observe(reads, deadline_s), began, time.time()


def _meanwhile(first: "Future[Any]", spec: AppSpec, host: Observer) -> tuple[Answer, ...]:
    """The second batch, if the first does not come soon: somebody in it waits in vain, so that it
    will be needed anyway."""
    wait([first], SOON_S)
    return () if first.done() else host.observe(closer_reads_for(spec), 120)


def look_often(spec: AppSpec, host: Observer) -> Look:
    """Look; when something is wrong look again a few times, so that a blip is none.

    The last look decides, so it alone looks closely. It waits for what its manager is starting
    again after it was killed: that may be all it needs, and a remedy would be killed with it.
    """
    often = spec.health.confirm
    look = before = first = look_at(spec, host, "no" if often > 1 else "if unwell")
    for number in range(2, often + 1):
        if look.well:
            break
        time.sleep(spec.health.confirm_gap_s)
        before, look = look, look_at(spec, host, "at once" if number == often else "no", first)
    end = time.monotonic() + SETTLE_S
    while not look.well and _restless(spec, before, look) and time.monotonic() < end:
        time.sleep(SETTLE_GAP_S)
        before, look = look, look_at(spec, host, "at once", first)
    return look


def _restless(spec: AppSpec, before: Look, look: Look) -> bool:
    """Whether a service that was killed was started again since *before*, or is about to be.

    One that ends by itself is not waited for: it would do so again.
    """
    for part in spec.components:
        was, now = before.facts.of(part).service, look.facts.of(part).service
        if now.activity == "starting" and now.result in KILLED:
            return True
        if now.restarts > was.restarts and {was.result, now.result} <= KILLED | {"", "success"}:
            return True
    return False


def look_until_well(
    spec: AppSpec, host: Observer, seconds: float, enough: Callable[[Look], bool] | None = None
) -> Look:
    """Look until all is well, or *enough* is, for at most *seconds*; the last look."""
    end = time.monotonic() + seconds
    while True:
        look = look_at(spec, host, "no")
        if look.well or (enough is not None and enough(look)):
            return look
        if time.monotonic() > end:
            return look_at(spec, host)
        time.sleep(0.3)


def keep_look(work: Work, look: Look) -> None:
    """Keep *look* for the next step of the same run."""
    _seen[work.id] = (time.monotonic(), look)


def last_look(work: Work, spec: AppSpec, host: Observer) -> Look:
    """The look that was kept, once, if it is some seconds old at most; else a new one.

    Whatever is done on its word says what it saw, and is refused when that is so no more.
    """
    at, look = _seen.pop(work.id, (0.0, None))
    fresh = look is not None and time.monotonic() - at < FRESH_S
    return look if look is not None and fresh else look_at(spec, host)


def _ms(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 2)
