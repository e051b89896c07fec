"""A host whose clock is wrong: what has an end is over too soon there, or has not begun."""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Certificate, Facts, Reached
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import healthy, suffers

OVER, EARLY = re.compile(r"(?i)expired"), re.compile(r"(?i)not yet valid")
"""What a host says of certificates when its clock is ahead, and when it is behind."""

SKEWED = re.compile(
    r"(?i)clock[ _-]?skew|time ?too ?skewed|(?:used|issued) (?:before issued|in the future)"
    r"|not yet valid|\((?:iat|nbf)\)|check (?:the|your) (?:system )?(?:clock|time)"
)
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))


def clock_wrong(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The host's clock is not the platform's, follows no time server, and it matters: a certificate
    is good by one of them only, or somebody turned the component away for the time it has.

    A clock that is wrong and harms nobody is no trouble.
    """
    if not facts.clock_off:
        return None
    shown = next(
        (c for c in facts.certificates if c.port in part.tls and misjudged(c, facts)), None
    )
    told = "" if shown else complaint(spec, facts, part)
    if not shown and not told:
        return None
    certificate = f"port {shown.port}: {good_when(shown, facts)}" if shown else ""
    return Finding(
        verdict="confirms",
        name="CONFIG.wrong_clock",
        component=part.name,
        culprit="clock",
        likelihood=0.97 if shown else 0.9,
        depth=9 if shown else 28,
        alone=bool(shown),
        evidence=(
            Evidence(source="clock of the host", excerpt=how_far(facts)),
            Evidence(source="certificate", excerpt=certificate),
            Evidence(source=part.unit, excerpt=told),
        ),
    )


def misjudged(one: Certificate, facts: Facts) -> bool:
    """Whether a certificate is good by one of the two clocks only."""
    return bool(one.ends) and valid(one, facts.now) != valid(one, facts.today)


def valid(one: Certificate, moment: float) -> bool:
    """Whether its time has come, and is not over."""
    return one.starts <= moment <= one.ends


def good_when(one: Certificate, facts: Facts) -> str:
    """By which clock it is good."""
    right = valid(one, facts.today)
    by = "by the platform's clock, not by the host's" if right else "by the host's clock only"
    return f"the certificate of {one.subject or '?'} is good {by}"


def how_far(facts: Facts) -> str:
    """How far it is off, in the largest unit of which it is two."""
    off, side = abs(facts.clock_off), "ahead of" if facts.clock_off > 0 else "behind"
    unit, size = next(((u, s) for u, s in UNITS if off >= 2 * s), ("seconds", 1))
    synced = "; it follows no time server" if facts.synced is False else ""
    return f"{off / size:.0f} {unit} {side} the platform's{synced}"


def complaint(spec: AppSpec, facts: Facts, part: Component) -> str:
    """Who turns the component away for the time that it has, in their own words."""
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return ""
    fits = OVER if facts.clock_off > 0 else EARLY
    for one in facts.reach:
        if one.component == part.name and one.kind == "certificate" and fits.search(one.says):
            return refused(one)
    lines = reversed(facts.of(part).log.splitlines())
    return next((line.strip()[:300] for line in lines if SKEWED.search(line)), "")


def refused(one: Reached) -> str:
    """The server whose certificate this host does not take, for its date."""
    return f"{one.setting}: the certificate of {one.server}, as this host sees it: {one.says}"
