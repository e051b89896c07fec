"""Who notices: lines of real access logs, counted; and how severe that makes a cause."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.app import AppSpec
from autoloop.core.facts import closer_reads_for, outer_access_logs
from autoloop.core.impact import (
    WINDOW_S,
    Impact,
    Traffic,
    data_at_risk,
    hits,
    severity_of,
    traffic_of,
)

LOGS = Path(__file__).parent / "access"
NGINX, GUNICORN = ((LOGS / f"{name}.log").read_text() for name in ("nginx", "gunicorn"))
NOW = datetime(2026, 11, 21, 19, 20, 30, tzinfo=UTC).timestamp()


def test_what_a_front_logs_is_counted() -> None:
    """Requests, failures, writes, clients, since when; not the platform's own, nor what is none."""
    found = traffic_of([NGINX], NOW)
    assert found is not None
    assert (found.requests, found.failed, found.writes_failed) == (5, 3, 1)
    assert (found.clients, found.clients_failed) == (3, 2)
    assert found.since == "2026-11-21T19:20:05+00:00"
    assert found.last_good == "2026-11-21T19:20:01+00:00"
    assert found.ends == "2026-11-21T19:20:09+00:00"
    assert [(row.name, row.requests, row.failed) for row in found.endpoints] == [
        ("GET /api/users/*", 2, 2),
        ("POST /api/login", 1, 1),
    ]
    assert "hunter2" not in found.model_dump_json()


def test_behind_a_front_clients_are_not_known() -> None:
    """All requests are the front's own."""
    found = traffic_of([GUNICORN], NOW)
    assert found is not None
    assert (found.requests, found.failed, found.share) == (3, 2, 2 / 3)
    assert (found.clients, found.clients_failed) == (None, None)


def line(second: int, path: str, status: int, client: str = "10.0.0.9") -> str:
    """One request at that second of the minute."""
    at = f"21/Nov/2026:19:20:{second:02} +0000"
    return f'{client} - - [{at}] "GET {path} HTTP/1.1" {status} 1 "-" "-"'


def test_it_lasts_since_the_first_failure_after_which_nothing_worked() -> None:
    """What failed and works again does not count; where everything works again, the first does."""
    lines = [line(1, "/a", 500), line(2, "/a", 200), line(3, "/b", 200), line(4, "/b", 503)]
    found = traffic_of(["\n".join([*lines, line(5, "/b", 503)])], NOW)
    assert found is not None and found.since.endswith("19:20:04+00:00")
    found = traffic_of(["\n".join(lines[:3])], NOW)
    assert found is not None and found.since.endswith("19:20:01+00:00")


def test_what_is_older_than_the_window_does_not_count() -> None:
    """Nor what is of another day, or of no day."""
    assert traffic_of([NGINX], NOW + WINDOW_S + 60) is None
    assert traffic_of([NGINX], NOW - 86400) is None
    assert traffic_of([NGINX.replace("21/Nov", "31/Nov")], NOW) is None
    assert traffic_of([], NOW) is None


@given(st.text(max_size=300), st.text(alphabet='"\\[]/:GET +-0129 ', max_size=300))
def test_any_line_is_a_request_or_none(line: str, other: str) -> None:
    """A log may hold anything."""
    assert len(list(hits(f"{line}\n{other}\n{NGINX}"))) >= 5


@pytest.mark.timeout(30)
def test_long_lines_do_not_hold_it_up() -> None:
    """A quarter of a million characters without an end."""
    start = '1.1.1.1 - - [21/Nov/2026:19:20:05 +0000] "'
    assert list(hits(start + 'a"' * 200_000)) == []
    assert list(hits((start + "\\" * 200) * 1000)) == []


@pytest.mark.parametrize(
    ("name", "impact", "passes", "severity"),
    [
        ("CONFIG.env_missing", Impact(components=("app",)), False, "P0"),
        ("CODE.runtime_error", Impact(), False, "P1"),
        ("UNKNOWN.unknown", Impact(), True, "P1"),
        ("CODE.runtime_error", Impact(traffic=Traffic(requests=20, failed=10)), True, "P0"),
        ("CODE.runtime_error", Impact(traffic=Traffic(requests=19, failed=19)), True, "P1"),
        ("CODE.runtime_error", Impact(traffic=Traffic(requests=100, failed=1)), True, "P2"),
        ("CODE.runtime_error", Impact(traffic=Traffic(requests=100, failed=1)), False, "P1"),
        ("DATABASE.connection_error", Impact(traffic=Traffic(requests=100, failed=4)), True, "P1"),
        ("DATABASE.connection_error", Impact(traffic=Traffic(requests=100, failed=5)), True, "P0"),
        ("LOGIN.wrong_password", Impact(traffic=Traffic(requests=100)), True, "P2"),
    ],
)
def test_impact_decides_how_severe_a_cause_is(
    name: str, impact: Impact, passes: bool, severity: str
) -> None:
    """By the rules that are written down; the reason is told in both languages."""
    found, why = severity_of(name, impact, passes)
    assert found == severity
    assert why.en and why.zh


def test_what_does_not_answer_is_the_worst() -> None:
    """Though its unit runs and holds its port, as one that is restarted again and again does."""
    found, why = severity_of("CODE.runtime_error", Impact(), False, unanswered=True)
    assert (found, why.en) == ("P0", "no case gets an answer")


def test_data_at_risk_is_named() -> None:
    """What may be lost, and what was refused."""
    found = data_at_risk("SERVICE.disk_full", ["/srv/a.db"], Traffic(writes_failed=3))
    assert ["/srv/a.db" in found[0].en, found[1].en[:10]] == [True, "3 requests"]
    assert data_at_risk("SERVICE.service_down", ["/srv/a.db"], None) == ()


def test_requests_count_once_behind_a_front(spec: AppSpec) -> None:
    """The log of what is needed by another that logs is not read."""
    front, app = spec.components
    logging = spec.model_copy(
        update={
            "components": (
                front.model_copy(update={"access_logs": ("/var/log/front",)}),
                app.model_copy(update={"access_logs": ("/var/log/app",)}),
            )
        }
    )
    assert outer_access_logs(logging) == ("/var/log/front",)
    read = closer_reads_for(logging)[-1]
    assert (read.op, read.args["path"], read.args["tail"]) == ("file", "/var/log/front", True)
    alone = logging.model_copy(update={"components": (front, logging.components[1])})
    assert outer_access_logs(alone) == ("/var/log/app",)
