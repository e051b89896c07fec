"""Logs of one component in the order in which they were written."""

import pytest

from autoloop.core.log_lines import in_order, moment

TEN = 1771754400.0  # 2026-02-22 10:00:00 UTC


@pytest.mark.parametrize(
    "line",
    [
        "2026-02-22T10:00:00+00:00 web gunicorn[7]: x",
        "2026-02-22T10:00:00Z x",
        "2026-02-22T11:00:00+0100 x",
        "2026-02-22 10:00:00,000 INFO x",
        "[2026-02-22 10:00:00 +0000] [7] [INFO] x",
        "2026/02/22 10:00:00 [error] 42#42: x",
        '10.0.0.1 - - [22/Feb/2026:10:00:00 +0000] "GET /',
        "Feb 22 10:00:00 web kernel: x",
    ],
)
def test_it_reads_when_a_line_was_written(line: str) -> None:
    """In the forms of journals, loggers, web servers and syslog."""
    assert moment(line, 2026) == TEN


@pytest.mark.parametrize(
    "line",
    ["", "  File 'x.py', line 3", "at 99:99:99", "2026-13-45 10:00:00", "Foo 22 10:00:00 x",
     "it was on 2026", "x" * 70 + " 2026-02-22 10:00:00"],
)  # fmt: skip
def test_a_line_without_a_time(line: str) -> None:
    """Nor one with something like it, or far behind its start."""
    assert moment(line, 2026) is None


def test_local_time_is_the_hosts() -> None:
    """A program that writes no zone writes what the clock on the wall shows."""
    assert moment("2026-02-22 18:00:00 x", 2026, offset_s=8 * 3600) == TEN


def test_a_trace_stays_whole_and_comes_when_it_was_written() -> None:
    """What has no time belongs to the line before it."""
    journal = "2026-02-22 10:00:01 started\nTraceback\n  File x\nKeyError: 'A'"
    app = "2026-02-22 10:00:00 first\n2026-02-22 10:00:02 last"
    assert in_order([journal, app], TEN).splitlines() == [
        "2026-02-22 10:00:00 first",
        "2026-02-22 10:00:01 started",
        "Traceback",
        "  File x",
        "KeyError: 'A'",
        "2026-02-22 10:00:02 last",
    ]


def test_a_log_without_times_comes_first() -> None:
    """And keeps its own order."""
    assert in_order(["2026-02-22 10:00:00 a", "b\nc"], TEN) == "b\nc\n2026-02-22 10:00:00 a"
    assert in_order([], TEN) == ""


def test_what_is_older_is_left_out() -> None:
    """Since a service was started; or long before its last words."""
    log = "2026-02-22 09:57:00 old\n  its trace\n2026-02-22 09:59:50 b\n2026-02-22 10:00:00 c"
    assert in_order([log], TEN) == "2026-02-22 09:59:50 b\n2026-02-22 10:00:00 c"
    assert in_order([log], TEN, since=TEN - 1) == "2026-02-22 10:00:00 c"
    assert in_order([log], TEN, since=TEN - 3600) == log


def test_the_end_of_an_older_entry_is_no_newer_than_what_follows_it() -> None:
    """The tail of a log may begin within a trace: that is as old as the log's next entry, at
    least, and goes with it."""
    tail = "  File x\nKeyError: 'A'\n2026-02-22 09:57:00 old"
    journal = "2026-02-22 10:00:00 failed"
    assert in_order([tail, journal], TEN) == journal
    assert in_order([tail, journal], TEN, since=TEN - 3600) == f"{tail}\n{journal}"


def test_what_was_said_before_its_writer_was_well_is_of_another_trouble() -> None:
    """Unless nothing was said since; a time without fractions is not cut off."""
    log = "\n".join(
        f"2026-02-22 {at} {what}" for at, what in (("09:59:50", "a"), ("10:00:00", "b"))
    )
    new = "2026-02-22 10:00:00 b"
    assert in_order([log], TEN, well=TEN - 5) == new
    assert in_order([log], TEN, well=TEN + 0.9) == new
    assert in_order([log], TEN, well=TEN - 15) == log
    assert in_order([log], TEN, well=TEN + 60) == log
    assert in_order([log], TEN) == log
