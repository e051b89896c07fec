"""When a host's clock is wrong, and when it is the certificate."""

from typing import Any

import pytest

from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose
from autoloop.core.facts import Certificate, Facts, Reached, timed
from autoloop.core.suspicions import PROBES
from autoloop.core.suspicions.clock import how_far

DAY = 86400.0
TODAY = 20000 * DAY
CLOCK, OLD = "CONFIG.wrong_clock", "SERVICE.tls_certificate"


def shown(starts: float, ends: float) -> Certificate:
    """The front's certificate, good from and to so many days from today."""
    dates = {"starts": TODAY + starts * DAY, "ends": TODAY + ends * DAY}
    return Certificate(port=443, subject="shop.example", **dates)


def seen(scenes: Any, ahead: float, synced: bool | None = None, **more: Any) -> Facts:
    """A host whose clock is *ahead* of the platform's by so many seconds."""
    facts: Facts = scenes.facts(now=TODAY + ahead, **more)
    return facts.model_copy(update={"ahead": ahead, "synced": synced})


@pytest.mark.parametrize(
    ("host", "asked", "answered", "ahead"),
    [
        (100.0, 99.0, 101.0, 0.0),
        (100.0, 90.0, 95.0, 5.0),
        (100.0, 101.0, 109.0, -1.0),
        (0.0, 101.0, 109.0, 0.0),  # it does not tell its time
    ],
)
def test_what_passes_while_it_is_asked_is_in_doubt(
    host: float, asked: float, answered: float, ahead: float
) -> None:
    """Only what is beyond it is surely the clock."""
    facts = Facts(components={}, now=host)
    assert timed(facts, asked, answered).ahead == ahead


@pytest.mark.parametrize(
    ("certificate", "ahead", "first", "then"),
    [
        (shown(-1, 80), 0, "NONE.benign", ""),
        (shown(-1, 80), 100 * DAY, CLOCK, ""),
        (shown(-1, 80), -2 * DAY, CLOCK, ""),
        (shown(-1, 80), 50 * DAY, "NONE.benign", ""),  # it is wrong, and harms nobody
        (shown(-90, -1), 0, OLD, ""),
        (shown(-90, -1), 3 * DAY, OLD, ""),  # gone by both clocks
        (shown(-90, -1), -30.0, OLD, ""),
        (
            shown(-90, -1),
            -2 * DAY,
            CLOCK,
            OLD,
        ),  # the host does not see it: both are to be put right
        (shown(-0.0005, 80), -50.0, "NONE.benign", ""),  # not by enough to be named
    ],
)
def test_a_certificate_is_held_against_the_right_time(
    scenes: Any, certificate: Certificate, ahead: float, first: str, then: str
) -> None:
    """The clock is the cause where the certificate is good by one of the two clocks only."""
    facts = seen(scenes, ahead, certificates=(certificate,))
    found = [cause.name for cause in diagnose(scenes.spec, facts, ()).causes]
    assert found == [first, then] if then else found == [first]


def test_a_clock_that_follows_a_time_server_is_the_right_one(scenes: Any) -> None:
    """Then the platform's is wrong, and the host's own time is what counts."""
    good = shown(-1, 80)
    facts = seen(scenes, -100 * DAY, True, certificates=(good,)).model_copy(update={"now": TODAY})
    assert diagnose(scenes.spec, facts, ()).benign
    assert not facts.clock_off
    facts = seen(scenes, 100 * DAY, False, certificates=(good,))
    assert "follows no time server" in diagnose(scenes.spec, facts, ()).top.evidence[0].excerpt


REFUSED = Reached(
    component="app", setting="BANK_URL", scheme="https", host="bank.example", port=443,
    reached="connection", kind="certificate", says="certificate has expired",
)  # fmt: skip


@pytest.mark.parametrize(
    ("ahead", "says", "log", "name"),
    [
        (9 * DAY, "certificate has expired", "bank.example:443 refused", CLOCK),
        (-9 * DAY, "certificate is not yet valid", "bank.example:443 refused", CLOCK),
        (-9 * DAY, "certificate has expired", "bank.example:443 refused", OLD),
        (0, "certificate has expired", "bank.example:443 refused", OLD),
        (9 * DAY, "unable to get local issuer certificate", "bank.example:443 refused", OLD),
        (-9 * DAY, "unknown ca", "jwt: the token is not yet valid (iat); bank.example:443", CLOCK),
        (0, "unknown ca", "jwt: the token is not yet valid (iat); bank.example:443", OLD),
    ],
)
def test_who_turns_the_component_away_for_its_time(
    scenes: Any, ahead: float, says: str, log: str, name: str
) -> None:
    """What they complain about must fit the side on which the clock is off."""
    reach = (REFUSED.model_copy(update={"says": says}),)
    facts = seen(scenes, ahead, reach=reach, status=500, app={"log": log})
    failing = (CaseResult(name=scenes.spec.cases[0].name, passed=False, status=500),)
    assert diagnose(scenes.spec, facts, failing).top.name == name


def test_nobody_is_accused_while_all_is_well(scenes: Any) -> None:
    """Nor for another component's trouble."""
    probe = next(probe for probe in PROBES if probe.name == "clock_wrong")
    log = {"log": "RequestTimeTooSkewed"}
    assert probe.judge(scenes.spec, seen(scenes, DAY, app=log)) == ()
    down = {"activity": "failed", "pid": 0}
    assert probe.judge(scenes.spec, seen(scenes, DAY, app=log, front=down, status=502)) == ()
    assert probe.judge(scenes.spec, seen(scenes, DAY, app=log, status=500))


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (75.0, "75 seconds ahead of"),
        (-600.0, "10 minutes behind"),
        (7201.0, "2 hours ahead of"),
        (-400 * DAY, "400 days behind"),
    ],
)
def test_how_far_in_words(ahead: float, words: str) -> None:
    """In the largest unit of which it is two."""
    facts = Facts(components={}, now=TODAY, ahead=ahead)
    assert how_far(facts) == f"{words} the platform's"
