"""Certificates whose time is over, or has not come."""

from datetime import UTC, datetime

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Certificate, Facts
from autoloop.core.probe import Finding


def certificate_expired(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A TLS port of the component shows a certificate that clients refuse now. The cases may still
    pass: they do not verify what the host shows to itself. So it explains nothing else and ranks
    below what does. Its dates are held against the right time, whatever the host's clock says.
    """
    if not facts.now:
        return None
    for one in facts.certificates:
        if one.port in part.tls and one.ends and not one.starts <= facts.today <= one.ends:
            return Finding(
                verdict="confirms",
                name="SERVICE.tls_certificate",
                component=part.name,
                culprit=f"{one.subject}:{one.port}",
                likelihood=0.97,
                depth=8,
                alone=True,
                evidence=(Evidence(source=f"port {one.port}", excerpt=_told(one, facts.today)),),
            )
    return None


def _told(one: Certificate, now: float) -> str:
    starts, ends, today = (_day(seconds) for seconds in (one.starts, one.ends, now))
    return f"the certificate of {one.subject or '?'} is good from {starts} to {ends}; it is {today}"


def _day(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):  # no date of any calendar
        return f"{seconds:g}"
