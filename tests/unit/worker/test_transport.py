"""Retries are quick, bounded, and leave alone what is not theirs."""

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest

from autoloop.worker import transport
from autoloop.worker.transport import BUSY_TRIES, QuickSyncTransport, QuickTransport, busy_waits


class Answers:
    """A server that gives its answers one after the other, the last one again and again."""

    def __init__(self, *answers: int | Exception, headers: dict[str, str] | None = None) -> None:
        self.answers = list(answers)
        self.headers = headers
        self.asked = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer, headers=self.headers)


ABSENT = httpx.ConnectError("nobody listens")


def ask_sync(answers: Answers, patience_s: float) -> int:
    """Status of one request by a synchronous client."""
    quick = QuickSyncTransport(httpx.MockTransport(answers), patience_s)
    with httpx.Client(transport=quick, base_url="http://server") as client:
        return client.post("/x", json={}).status_code


def ask_async(answers: Answers, patience_s: float) -> int:
    """Status of one request by an asynchronous client."""

    async def ask() -> int:
        quick = QuickTransport(httpx.MockTransport(answers), patience_s)
        async with httpx.AsyncClient(transport=quick, base_url="http://server") as client:
            return (await client.post("/x", json={})).status_code

    return asyncio.run(ask())


@pytest.fixture(params=[ask_sync, ask_async])
def ask(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Both kinds of client."""
    return request.param


def test_a_busy_server_is_asked_again_at_once(ask: Any) -> None:
    """Two 503 cost a fraction of a second, not two times two seconds."""
    answers = Answers(503, 503, 201)
    assert ask(answers, 1) == 201
    assert answers.asked == 3
    assert sum(islice(busy_waits(), 2)) < 0.2


def test_a_server_that_stays_busy_is_left_to_prefect(
    ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many tries; the waits are left out here."""
    monkeypatch.setattr(transport, "busy_waits", lambda: iter([0.0] * BUSY_TRIES))
    answers = Answers(503)
    assert ask(answers, 1) == 503
    assert answers.asked == BUSY_TRIES + 1


def test_waiting_for_a_busy_server_takes_two_seconds_at_most() -> None:
    """And begins with milliseconds."""
    waits = list(transport.busy_waits())
    assert waits[0] <= 0.05
    assert 1 < sum(waits) < 3


def test_a_server_that_asks_for_time_gets_it(ask: Any) -> None:
    """Prefect's client heeds Retry-After and maintenance itself."""
    answers = Answers(503, 200, headers={"Retry-After": "7"})
    assert ask(answers, 1) == 503
    assert answers.asked == 1


def test_an_absent_server_is_waited_for(ask: Any) -> None:
    """Until it is back."""
    assert ask(Answers(ABSENT, ABSENT, 200), 30) == 200


def test_patience_ends(ask: Any) -> None:
    """Then the error is handed on."""
    with pytest.raises(httpx.ConnectError):
        ask(Answers(ABSENT), 0)


def test_a_request_that_may_have_arrived_is_not_sent_twice(ask: Any) -> None:
    """Whether to repeat that one is Prefect's decision, which marks its transitions."""
    answers = Answers(httpx.ReadError("cut"), 200)
    with pytest.raises(httpx.ReadError):
        ask(answers, 30)
    assert answers.asked == 1


@pytest.mark.parametrize(
    ("status", "passing"), [(503, True), (500, True), (429, True), (404, False)]
)
def test_an_answer_that_may_change_is_told_from_one_that_will_not(
    status: int, passing: bool
) -> None:
    """A run whose process met the first kind is resumed."""
    request = httpx.Request("GET", "http://server")
    error = httpx.HTTPStatusError("", request=request, response=httpx.Response(status))
    assert transport.is_passing(error) is passing
    assert transport.is_passing(ABSENT)
