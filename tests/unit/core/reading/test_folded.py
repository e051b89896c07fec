"""What was joined to one line, or cut, is read as the lines that it was made of."""

import pytest

from autoloop.core.reading import text_engine
from autoloop.core.reading.folded import LONGEST, uncut, unfolded

SYSLOG = [
    "Mar  3 10:11:12 web1 systemd[1]: Started Session 77 of user deploy.",
    "Mar  3 10:11:13 web1 shop[4711]: cannot write /srv/shop/x: No space left on device",
]
SPRING = [
    "2026-03-03 10:11:12.120  INFO 7 --- [main] c.e.shop.Application : starting with port 8080",
    "2026-03-03 10:11:13.121 ERROR 7 --- [main] c.e.shop.Orders : table orders is not there",
]
POSTGRESQL = [
    "2026-03-03 10:11:12.120 UTC [77] shop@shop",
    'ERROR:  could not extend file "base/16384/16492": No space left on device',
    "HINT:  Check free disk space.",
]
PYTHON = [
    "job 7 failed: Traceback (most recent call last):",
    'File "/srv/shop/cart.py", line 12, in add raise ValueError("no such thing as that")',
    "ValueError: no such thing as that in the basket of this customer",
]
JAVA = [
    "[2026-03-03T10:11:12.017] [INFO] [com.example.shop.Job:29] [execute] job",
    "java.lang.ArithmeticException: Division by zero",
    "    at java.math.BigDecimal.divide(BigDecimal.java:1745)",
    "    at com.example.shop.Cart.sum(Cart.java:22)",
]


@pytest.mark.parametrize("lines", [SYSLOG, SPRING, POSTGRESQL, PYTHON, JAVA])
def test_records_frames_and_exceptions_begin_lines_again(lines: list[str]) -> None:
    """With blanks where their ends were."""
    assert unfolded(" ".join(line.strip() for line in lines)) == lines


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-03 10:11:12,120 INFO [worker-3] shop.jobs: next run at 2026-03-03 11:00:00, then "
        "at 2026-03-03 12:00:00, as the table of jobs says",
        "[Sun Mar 01 10:11:12.120 2026] [core:notice] [pid 77] AH00094: Command line: "
        "'/usr/sbin/apache2 -D FOREGROUND -f /etc/apache2/apache2.conf'",
        "Mar  3 10:11:12 web1 shop[4711]: look at the list (of orders), at the basket and at what "
        "the customer has said before",
    ],
)
def test_a_line_stays_one(line: str) -> None:
    """Also where it speaks of other times."""
    assert unfolded(line) == [line]


def test_a_joined_log_is_read_as_the_log() -> None:
    """What was calm in the first line says nothing about the others."""
    for lines in (SYSLOG, SPRING, POSTGRESQL, JAVA):
        one, other = (text_engine().read(sep.join(lines))[0] for sep in ("\n", " "))
        assert (one.name, one.culprit) == (other.name, other.culprit)
        assert not one.name.startswith("NONE")


def cut(text: str, width: int) -> list[str]:
    """The lines of *text* as a terminal of this width shows them."""
    lines = text.split("\n")
    return [line[at : at + width] for line in lines for at in range(0, max(len(line), 1), width)]


@pytest.mark.parametrize("width", [80, 91])
@pytest.mark.parametrize("lines", [SYSLOG, SPRING, POSTGRESQL], ids=["syslog", "spring", "pg"])
def test_what_a_terminal_cut_is_put_together(lines: list[str], width: int) -> None:
    """At any width where two lines are cut, at a usual one where one is."""
    longer = [*lines, f"{lines[-1]} {'x' * 40}y 1", f"{lines[-1]} {'z' * 60}"]
    assert uncut(cut("\n".join(longer), width)) == longer


@pytest.mark.parametrize(
    "lines",
    [
        ["short", "lines"],
        ["GET /cart/1 took 12 ms and was answered with 200 as it should be", "and so on"],
        [
            f"2026-03-03 10:11:1{n} shop: order {n} of the day was stored in the archive"
            for n in range(4)
        ],
        ["=" * 80, "Orders", "=" * 80, "none"],
        [f"{'a' * 76} end", "    at shop.cart.add(cart.py:7)"],
        [f"{'Container shop-cache-1':<40}{'Healthy':<34}6.4s  ", "dependency failed to start"],
    ],
    ids=["short", "unusual width", "records of one length", "rulers", "a frame", "a row"],
)
def test_lines_that_were_not_cut_stay(lines: list[str]) -> None:
    """Of one length by chance, or with a line behind that begins something."""
    assert uncut(lines) == lines


def test_what_has_no_end_is_put_together_in_parts() -> None:
    """A picture in base64 is one line of any length, and costs no more than its lines."""
    found = uncut([f"{n:06}{'Qk' * 35}" for n in range(3000)])
    assert max(map(len, found)) <= LONGEST + 76


def test_an_error_that_was_cut_is_one() -> None:
    """Its words and its culprit stand on both sides of the cut."""
    text = "shop[7]: the picture of a basket and of what lies in it could not be written to "
    text += "/srv/shop/x: No space left on device"
    top = text_engine().read("\n".join(cut(text, 80)))[0]
    assert (top.name, top.culprit) == ("SERVICE.disk_full", "/srv/shop/x")
