"""Cases: what counts as the right answer."""

from typing import Any

import pytest

from autoloop.core.case import (
    Case,
    Reply,
    at_path,
    captured,
    filled,
    judge,
    run_cases,
    run_together,
)


def case(**more: Any) -> Case:
    """A case."""
    return Case(**{"name": "c", "url": "http://x/", **more})


@pytest.mark.parametrize(
    ("asked", "reply", "why"),
    [
        ({}, {"status": 200}, ""),
        ({}, {"status": 0, "error": "refused"}, "no answer: refused"),
        ({}, {"status": 502}, "status 502, expected 200"),
        ({"status": 404}, {"status": 404}, ""),
        ({"max_ms": 10}, {"status": 200, "ms": 11}, "took 11 ms, allowed 10 ms"),
        ({"min_length": 3}, {"status": 200, "body": "ab"}, "2 characters, expected at least 3"),
        ({"contains": "词"}, {"status": 200, "body": "一个词"}, ""),
        ({"contains": "no"}, {"status": 200}, "the answer does not contain 'no'"),
        ({"json_equals": {"a.0.b": 1}}, {"status": 200, "body": '{"a": [{"b": 1}]}'}, ""),
        ({"json_equals": {"ok": True}}, {"status": 200, "body": "<html>"}, "ok is None"),
    ],
)
def test_the_first_reason_is_told(asked: dict[str, Any], reply: dict[str, Any], why: str) -> None:
    """Or none when it passes."""
    result = judge(case(**asked), Reply(**reply))
    assert result.passed is not bool(why)
    assert result.why.startswith(why)


def test_a_reason_holds_no_secret() -> None:
    """It goes into reports."""
    asked = case(json_equals={"data.token": "hunter1"})
    result = judge(asked, Reply(status=200, body='{"data": {"token": "hunter2"}}'))
    assert not result.passed
    assert "hunter" not in result.why


@pytest.mark.parametrize(
    ("path", "found"),
    [("a.b", 1), ("l.1", "y"), ("l.9", None), ("l.-1", None), ("l.²", None), ("a.b.c", None)],
)
def test_a_path_that_leads_nowhere_is_none(path: str, found: Any) -> None:
    """No document and no path raise."""
    assert at_path({"a": {"b": 1}, "l": ["x", "y"]}, path) == found
    assert at_path(None, path) is None


def test_captures_fill_url_headers_and_body_of_later_cases() -> None:
    """A login's token is used by what follows."""
    login = case(name="login", capture={"t": "token"})
    later = case(
        url="http://x/{t}", headers={"A": "Bearer {t}"}, body={"deep": ["{t}", 5, None, "{u}"]}
    )
    values = captured(login, Reply(status=200, body='{"token": "abc"}'))
    ready = filled(later, values)
    assert (ready.url, ready.headers) == ("http://x/abc", {"A": "Bearer abc"})
    assert ready.body == {"deep": ["abc", 5, None, "{u}"]}


class Answers:
    """A runner that gives out replies in turn."""

    def __init__(self, *replies: Reply) -> None:
        self.replies, self.asked = list(replies), list[Case]()

    def send(self, asked: Case) -> Reply:
        """The next."""
        self.asked.append(asked)
        return self.replies.pop(0)


def test_retries_end_at_the_first_pass() -> None:
    """And no request is sent in vain."""
    runner = Answers(Reply(status=503), Reply(status=200), Reply(status=503))
    assert [r.passed for r in run_cases((case(retries=2),), runner)] == [True]
    assert len(runner.asked) == 2


def test_cases_that_need_nothing_of_each_other_run_together() -> None:
    """Each as soon as what it needs is there; a value that never comes holds nobody up."""
    asked: list[list[str]] = []

    def send(cases: tuple[Case, ...]) -> tuple[Reply, ...]:
        asked.append([c.url for c in cases])
        return tuple(Reply(status=200, body='{"token": "t1"}') for _ in cases)

    login = case(name="login", url="http://x/login", capture={"t": "token"})
    own = case(name="own", url="http://x/{t}/own", capture={"u": "nowhere"})
    cases = (case(), login, case(), own, case(url="http://x/{u}", status=404))
    results = run_together(cases, send)
    assert asked == [
        ["http://x/", "http://x/login", "http://x/"],
        ["http://x/t1/own"],
        ["http://x/None"],
    ]
    assert [(r.name, r.passed) for r in results] == [
        ("c", True), ("login", True), ("c", True), ("own", True), ("c", False),
    ]  # fmt: skip
    renews = case(url="http://x/{t}", capture={"t": "token"})
    assert len(run_together((renews, login), send)) == 2
    assert run_together((), send) == ()
