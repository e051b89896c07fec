"""What was joined to one line is read as the lines that it was made of."""

import pytest

from autoloop.core.reading import text_engine
from autoloop.core.reading.folded import unfolded

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
