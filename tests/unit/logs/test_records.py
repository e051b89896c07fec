"""Records are whole: of each language's traces the first line and the last."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.logs.target.records import (
    LONGEST,
    clipped,
    lines_after,
    lines_before,
    may_go_on,
    open_ended,
    record,
    spans,
)
from autoloop.logs.target.scan import Words

TRACES = Path(__file__).parent / "traces"

WHOLE = {
    "python": [
        ("2026-11-21 19:09:29,414 ERROR root could not handle request 17", "ValueError: bad"),
        ("2026-11-21 19:09:29,417 ERROR root group", "    +-----"),
        ("Traceback (most recent call last):", "ValueError: bad value 12"),
    ],
    "java": [
        ("2026-03-03 10:00:00.123 ERROR", "\t... 9 more"),
        ("java.lang.IllegalStateException: order 8 failed", "\t... 9 more"),
        ('Exception in thread "main" java.lang.IllegalStateException', "\tat jdk.compiler"),
    ],
    "node": [
        ("2026-03-03T10:00:00Z request failed TypeError", "}"),
        ("/srv/shop/a.js:2", "Node.js v20"),
    ],
    "go": [("panic: runtime error", "exit status 2")],
    "php": [("[03-Mar-2026 10:00:01 UTC] PHP Fatal error", "  thrown in ")],
    "ruby": [
        ("F, [2026-03-03T10:00:00.2 #41] FATAL", "app/controllers/orders_controller.rb:7"),
        ("/srv/shop/job.rb:3:in `run': no such file", "\tfrom /srv/shop/job.rb:9"),
    ],
    "rust": [
        ("thread '<unnamed>'", "note: Some details"),
        ("thread 'main'", "note: Some details"),
    ],
    "dotnet": [
        ("fail: Shop.Orders[1]", "         at Shop.Orders.Show()"),
        ("Unhandled exception. System.ArgumentException", "   at Shop.Program.Main"),
    ],
}


def records(data: bytes) -> list[str]:
    """The text of each record in *data*."""
    found = spans(data, 0, len(data), Words().hits(data))
    return [data[first:last].decode() for first, last in found]


@pytest.mark.parametrize("language", WHOLE)
def test_a_trace_is_one_record_with_the_line_that_announces_it(language: str) -> None:
    """Calm lines before, between and after belong to none."""
    found = records((TRACES / f"{language}.log").read_bytes())
    assert len(found) == len(WHOLE[language])
    for text, (first, last) in zip(found, WHOLE[language], strict=True):
        lines = text.rstrip("\n").split("\n")
        assert lines[0].startswith(first)
        assert lines[-1].startswith(last)
        assert "calm" not in text


def test_a_chain_of_traces_is_one_record_without_its_blank_lines_too() -> None:
    """The journal keeps none."""
    data = (TRACES / "python.log").read_bytes()
    assert len(records(data.replace(b"\n\n", b"\n"))) == len(WHOLE["python"])


def test_lines_that_stand_for_themselves_are_records_of_their_own() -> None:
    """Two errors in a row are two records."""
    data = b"10:00:01 ERROR one\n10:00:02 ERROR two\n10:00:03 INFO fine\n"
    assert records(data) == ["10:00:01 ERROR one\n", "10:00:02 ERROR two\n"]


def test_a_record_has_the_lines_around_it() -> None:
    """A few before, a few after."""
    data = b"".join(b"10:00:%02d %s\n" % (n, b"ERROR" if n == 9 else b"INFO") for n in range(20))
    (span,) = spans(data, 0, len(data), [data.index(b"ERROR")])
    found = record(data, span, len(data), 0)
    assert found.text == b"10:00:09 ERROR\n"
    assert lines_before(found.before).split(b"\n")[0] == b"10:00:04 INFO"
    assert lines_after(found.after).split(b"\n")[-1] == b"10:00:14 INFO"


def test_what_continues_a_record_that_was_told_before_is_no_record() -> None:
    """The rest of a trace that comes late counts as nothing new."""
    data = b"10:00:01 ERROR one\n  at later (error.js:1:1)\n10:00:02 ERROR two\n"
    told = data.index(b"\n") + 1
    found = spans(data, told, len(data), [told + 12, len(data) - 4])
    assert [data[first:last] for first, last in found] == [b"10:00:02 ERROR two\n"]


def test_a_trace_without_its_exception_lacks_its_end() -> None:
    """So the reader waits longer for it."""
    data = b'Traceback (most recent call last):\n  File "a.py", line 1, in f\n'
    assert open_ended(data, (0, len(data)))
    whole = data + b"ValueError: x\n"
    assert not open_ended(whole, (0, len(whole)))


def test_a_record_has_a_greatest_length() -> None:
    """A trace without end is cut; what is kept is its beginning and its end."""
    data = b"10:00:01 ERROR deep\n" + b"  at f (a.js:1:1)\n" * 40_000
    ((first, last),) = spans(data, 0, len(data), [10])
    assert last - first <= LONGEST
    assert len(clipped(data[first:last])) < 33_000


LINES = [
    b"10:00:01 ERROR x",
    b"10:00:01 INFO x",
    b"  at f (a.js:1:1)",
    b"",
    b"Traceback (most recent call last):",
    b'  File "a.py", line 1, in f',
    b"ValueError: x",
    b"Caused by: error",
    b"panic: error",
    b"goroutine 1 [running]:",
    b"During handling of the above exception, another exception occurred:",
    b"java.lang.Error: x",
    b"\tat a.B(B.java:1)",
    b"thread 'main' panicked at a.rs:1:1:",
    b"/srv/a.js:3",
    b"^",
    b"}",
    b"\xff\xfe error",
]


@given(st.lists(st.sampled_from(LINES), max_size=30))
def test_records_never_overlap_and_cover_every_marked_line(lines: list[bytes]) -> None:
    """Whatever stands in what order."""
    data = b"".join(line + b"\n" for line in lines)
    hits = Words().hits(data)
    found = spans(data, 0, len(data), hits)
    assert all(first < last for first, last in found)
    assert all(a[1] <= b[0] for a, b in pairwise(found))
    for hit in hits:
        assert any(first <= hit < last for first, last in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"2026-03-03 10:00:00 ERROR database is locked\n", False),
        (b"nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\n", False),
        (b"java.lang.IllegalStateException: order 8 failed\n", True),
        (b"TypeError: x is not a function\n", True),
        (b"panic: runtime error: index out of range\n", True),
        (b"PHP Fatal error:  Uncaught TypeError: x\n", True),
        (b"thread 'main' panicked at src/main.rs:2:5:\n", True),
        (b"ERROR could not store the order:\n", True),
        (b"ERROR order failed\n    at once\n", True),
    ],
)
def test_a_plain_line_is_not_waited_for_as_long_as_what_is_thrown(
    text: bytes, expected: bool
) -> None:
    """Traces are often written line by line."""
    data = b"before\n" + text
    assert may_go_on(data, (7, len(data))) is expected
