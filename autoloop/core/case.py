"""Cases: what the managed application must answer, declared by the people who know it."""

from collections.abc import Callable, Iterable
from typing import Any, Literal, Protocol

from pydantic import Field

from autoloop.core.redact import redact, redact_value
from autoloop.core.words import Frozen


class Case(Frozen):
    """One request and what must come back.

    *capture* keeps values of the JSON answer for later cases (``{"token": "token"}`` makes
    ``{token}`` usable in their url, headers and body). *json_equals* maps a dotted path to the
    value that must stand there. A case that is not *safe* must not be repeated: only a run of the
    suite sends it, once.
    """

    name: str
    url: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    headers: dict[str, str] = Field(default_factory=dict)
    body: Any = None
    status: int = 200
    json_equals: dict[str, Any] = Field(default_factory=dict)
    contains: str = ""
    min_length: int = 0
    max_ms: float | None = None
    capture: dict[str, str] = Field(default_factory=dict)
    timeout_s: float = Field(default=5, gt=0, le=120)
    retries: int = Field(default=0, ge=0, le=20)
    safe: bool = True


class Reply(Frozen):
    """What came back for one request; status 0 when nothing did."""

    status: int = 0
    body: str = ""
    ms: float = 0.0
    error: str = ""


class CaseResult(Frozen):
    """A case, held against its reply. *said* is the beginning of an answer that is not right."""

    name: str
    passed: bool
    status: int = 0
    ms: float = 0.0
    why: str = ""
    said: str = ""


class CaseRunner(Protocol):
    """Sends a case's request: from the target itself, or from the platform."""

    def send(self, case: Case) -> Reply:
        """The reply; never raises for an application that does not answer."""
        ...


def judge(case: Case, reply: Reply) -> CaseResult:
    """Whether *reply* is what *case* asks for, and the first reason if it is not."""
    return CaseResult(
        name=case.name,
        passed=not (why := _complaint(case, reply)),
        status=reply.status,
        ms=reply.ms,
        why=why,
        said=redact(reply.body[:2000])[:300] if why else "",
    )


def _complaint(case: Case, reply: Reply) -> str:
    if reply.status == 0:
        return f"no answer: {redact(reply.error)}"
    if reply.status != case.status:
        return f"status {reply.status}, expected {case.status}"
    if case.max_ms is not None and reply.ms > case.max_ms:
        return f"took {reply.ms:.0f} ms, allowed {case.max_ms:.0f} ms"
    if len(reply.body) < case.min_length:
        return f"{len(reply.body)} characters, expected at least {case.min_length}"
    if case.contains and case.contains not in reply.body:
        return f"the answer does not contain {redact(repr(case.contains))}"
    return _json_complaint(case, reply)


def _json_complaint(case: Case, reply: Reply) -> str:
    if not case.json_equals:
        return ""
    document = parse_json(reply.body)
    for path, wanted in case.json_equals.items():
        found = at_path(document, path)
        if found != wanted:
            said, asked = (redact_value(path, repr(value)) for value in (found, wanted))
            return f"{path} is {said[:200]}, expected {asked[:200]}"
    return ""


def parse_json(text: str) -> Any:
    """The JSON value in *text*, or None."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return None


def at_path(document: Any, path: str) -> Any:
    """The value at a dotted *path* (``data.items.0.id``), or None where there is none."""
    for part in path.split("."):
        if isinstance(document, dict):
            document = document.get(part)
        elif isinstance(document, list) and part.isdecimal() and int(part) < len(document):
            document = document[int(part)]
        else:
            return None
    return document


def captured(case: Case, reply: Reply) -> dict[str, str]:
    """The values that *case* keeps for the cases after it."""
    document = parse_json(reply.body) if case.capture else None
    return {name: str(at_path(document, path)) for name, path in case.capture.items()}


def filled(case: Case, values: dict[str, str]) -> Case:
    """*case* with every ``{name}`` of *values* put in its url, headers and body."""
    if not values:
        return case

    def put(item: Any) -> Any:
        if isinstance(item, str):
            for name, value in values.items():
                item = item.replace(f"{{{name}}}", value)
            return item
        if isinstance(item, dict):
            return {key: put(value) for key, value in item.items()}
        return [put(value) for value in item] if isinstance(item, list) else item

    return case.model_copy(
        update={"url": put(case.url), "headers": put(case.headers), "body": put(case.body)}
    )


def repeatable(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The cases that may be sent at every look: safe, and in need of none that is not."""
    kept: list[Case] = []
    missing: set[str] = set()
    for case in cases:
        if case.safe and not needs(case, missing):
            kept.append(case)
            missing -= case.capture.keys()
        else:
            missing |= case.capture.keys()
    return tuple(kept)


def run_together(
    cases: tuple[Case, ...], send: Callable[[tuple[Case, ...]], tuple[Reply, ...]]
) -> tuple[CaseResult, ...]:
    """Run *cases* as soon as what they need is captured, and all that may be at the same time.

    For an application that lets each of them wait; there are no retries.
    """
    values: dict[str, str] = {}
    results: dict[int, CaseResult] = {}
    while left := [number for number in range(len(cases)) if number not in results]:
        missing = {name for number in left for name in cases[number].capture}
        now = [number for number in left if not needs(cases[number], missing)] or left
        replies = send(tuple(filled(cases[number], values) for number in now))
        for number, reply in zip(now, replies, strict=True):
            results[number] = judge(cases[number], reply)
            values.update(captured(cases[number], reply))
    return tuple(results[number] for number in range(len(cases)))


def needs(case: Case, names: Iterable[str]) -> bool:
    """Whether *case* uses one of these captured values."""
    said = f"{case.url}{case.headers}{case.body}"
    return any(f"{{{name}}}" in said for name in names)


def run_cases(cases: tuple[Case, ...], runner: CaseRunner) -> tuple[CaseResult, ...]:
    """Run *cases* in order, each with the values that earlier ones captured."""
    values: dict[str, str] = {}
    results = []
    for case in cases:
        ready = filled(case, values)
        for _ in range(case.retries + 1):
            reply = runner.send(ready)
            result = judge(case, reply)
            if result.passed:
                break
        values.update(captured(case, reply))
        results.append(result)
    return tuple(results)
