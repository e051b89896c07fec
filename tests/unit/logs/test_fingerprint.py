"""Fingerprints do not change with what varies, and differ where the trouble does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.logs.fingerprint import Fingerprints, fingerprint
from autoloop.logs.target.fold import same

SAME = [
    ("10:02:07,123 ERROR order 17 failed", "23:59:00,001 ERROR order 918273 failed"),
    ("user bob@shop.example refused", "user alice.b@other.example refused"),
    ("error in 6f1b9d2c-8d4e-4b7a-9f10-1c2d3e4f5a6b", "error in aaa1-0000-4b7a-9f10-ffff"),
    ("object at 0xdeadbeef is dead", "object at 0x7f00aa is dead"),
    ("GET /cart?id=x&q=shoes failed", "GET /cart?q=hats failed"),
    ("took 1.234,5 ms: timeout", "took 1,234.5 ms: timeout"),
    ("3 März 2026 error: gone", "14 octobre 2026 error: gone"),
    ("Mar  3 10:00:00 web1 shop[1]: error", "Dec 13 10:00:00 web7 shop[4123]: error"),
    ("2026年3月4日 上午10:00 订单17失败", "2026年12月14日 下午9:00 订单8失败"),
    ("connection to 10.0.0.5:5432 refused", "connection to 10.11.2.15:5432 refused"),
    ("connect to fe80::1:2:3 refused", "connect to fe80::aa:b:c refused"),
    ("10:00 rate 0.5 of v2.0 on 10.0.0.5:80 failed", "11:12 rate 1.5 of v2.1 on 9.8.7.6:9 failed"),
    ("order 0 failed", "order 7 failed"),
    ("worker 0: timeout", "worker 3: timeout"),
]  # fmt: skip
OTHER = [
    ("order 17 failed", "order 17 refused"),
    ("cannot bind port 80", "cannot find port 80"),
    ("/api/cart failed", "/api/orders failed"),
    ("订单失败", "支付失败"),
    ("job ended with exit code 0", "job ended with exit code 2"),
    ("import finished: 40 rows, 0 errors", "import finished: 40 rows, 17 errors"),
    ('{"level":"info","failed":0}', '{"level":"info","failed":3}'),
    ("health of 5 backends: 0 failed", "health of 5 backends: 2 failed"),
    ("0个错误", "3个错误"),
    ("错误数：0", "错误数：3"),
]

TRACE = """2026-03-03 10:00:00 ERROR request {id} failed
Traceback (most recent call last):
  File "/srv/releases/{id}/shop/cart.py", line {line}, in total
    return sum(items)
  File "/usr/lib/python3.11/site-packages/lib/{library}.py", line {line}, in run
    go()
{error}: {message}
"""


def trace(**changed: str) -> bytes:
    """A trace with some parts changed."""
    usual = {"id": "17", "line": "12", "library": "http", "error": "ValueError", "message": "no 9"}
    return TRACE.format(**{**usual, **changed}).encode()


@pytest.mark.parametrize(("one", "other"), SAME)
def test_numbers_ids_times_addresses_and_locales_do_not_count(one: str, other: str) -> None:
    """The same trouble at another time, for another user."""
    assert fingerprint(one.encode()) == fingerprint(other.encode())


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_other_words_are_another_trouble(one: str, other: str) -> None:
    """Also when only letters that may stand in an id differ."""
    assert fingerprint(one.encode()) != fingerprint(other.encode())


@pytest.mark.parametrize(
    "changed", [{"id": "918"}, {"line": "999"}, {"message": "another text"}, {"library": "urls"}]
)
def test_of_a_trace_the_own_functions_and_the_exception_count(changed: dict[str, str]) -> None:
    """Not line numbers, releases, messages, nor the library below."""
    assert fingerprint(trace(**changed)) == fingerprint(trace())


def test_another_exception_in_the_same_function_is_another_trouble() -> None:
    """The type is a part of it."""
    assert fingerprint(trace(error="KeyError")) != fingerprint(trace())


def test_the_root_cause_counts_not_what_wraps_it() -> None:
    """Of Java's causes the last."""
    text = (
        b"ERROR x\na.WrapError: m\n\tat a.B.c(B.java:1)\nCaused by: a.%s: n\n\tat a.B.d(B.java:2)\n"
    )
    assert fingerprint(text % b"RootError") != fingerprint(text % b"OtherError")


@given(st.binary(max_size=300))
def test_any_bytes_have_one_and_it_does_not_depend_on_digits(text: bytes) -> None:
    """Remembered or made anew; a zero may be another thing."""
    known = Fingerprints()
    assert fingerprint(text) == known.of(text) == known.of(text)
    other = text.translate(bytes(57 if 49 <= c <= 57 else c for c in range(256)))
    assert known.of(other) == known.of(text)


def test_it_names_its_version() -> None:
    """Another way of making them will be another version."""
    assert fingerprint(b"error").startswith("v2:")


WORDS = st.sampled_from(
    [
        *("error", "Failed:", "bob@shop.example", "/cart?id=x", "17", "4f3a9c", "März", "deadbeef"),
        *("0", "0 errors,", "errors=0", '"failed":0}', "0.5", "10:0", "x0", "-0", "[0]"),
        *("x-1", "Mar", "3", "user=7", "(ab12cd)", '"msg":"gone"', "3.14", "错误7次"),
        "\n\tat Shop.total1(A.java:7)",
    ]
)


@given(st.lists(WORDS, max_size=12), st.lists(WORDS, max_size=12), st.integers(0, 10**6))
def test_what_is_folded_has_the_same_fingerprint(
    one: list[str], other: list[str], number: int
) -> None:
    """Whatever else is in the records."""
    first = " ".join(one).encode()
    for text in (" ".join(other), " ".join(one).replace("7", str(number)).replace("a9", "b4")):
        if same(first) == same(text.encode()):
            assert fingerprint(first) == fingerprint(text.encode())


def test_records_of_one_line_that_differ_in_ids_are_folded() -> None:
    """Those of traces are not: a function may have a digit in its name."""
    assert same(b"ERROR order 4f3a9c failed\n") == same(b"ERROR order 77bcd1 failed\n")
    assert same(b"ERROR x\n  at load1()\n") != same(b"ERROR x\n  at parse1()\n")
