"""When a certificate is trouble."""

from typing import Any

import pytest

from autoloop.core.diagnose import diagnose
from autoloop.core.facts import Certificate

DAY = 86400.0
NOW = 20000 * DAY


def shown(**dates: float) -> Certificate:
    """The front's certificate."""
    return Certificate(port=443, subject="shop.example", **dates)


@pytest.mark.parametrize(
    ("one", "trouble"),
    [
        (shown(starts=NOW - DAY, ends=NOW + DAY), False),
        (shown(starts=NOW - 2 * DAY, ends=NOW - DAY), True),
        (shown(starts=NOW + DAY, ends=NOW + 2 * DAY), True),
        (shown(), False),  # it could not be read
        (shown(starts=NOW - 2 * DAY, ends=NOW - DAY).model_copy(update={"port": 8443}), False),
    ],
)
def test_only_its_dates_count_and_only_on_declared_ports(
    scenes: Any, one: Certificate, trouble: bool
) -> None:
    """While every case passes: whoever looks at dates is turned away."""
    found = diagnose(scenes.spec, scenes.facts(certificates=(one,), now=NOW), ())
    assert (found.top.name == "SERVICE.tls_certificate") is trouble
    assert found.benign is not trouble


def test_a_host_without_a_clock_accuses_nobody(scenes: Any) -> None:
    """The host's own time is what counts; where it is unknown, nothing is said."""
    assert diagnose(scenes.spec, scenes.facts(certificates=(shown(ends=1.0),)), ()).benign
