"""Servers that the settings name: how far one gets to them from the application's own host.

The agent goes step by step (`autoloop.agent.reach`): name, connection, TLS, the server's greeting,
login with the application's own account. The first step that fails is the cause's name.
"""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts, Reached
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import healthy, suffers

DATABASES = frozenset({"postgresql", "mysql", "mongodb", "redis", "rediss"})

REFUSALS = {
    # PostgreSQL: https://www.postgresql.org/docs/current/errcodes-appendix.html
    "28P01": "DATABASE.auth_failed_db",
    "28000": "DATABASE.auth_failed_db",
    "42501": "DATABASE.auth_failed_db",
    "3D000": "DATABASE.connection_error",
    "53300": "DATABASE.too_many_connections",
    "53100": "DATABASE.disk_full_db",
    "57P03": "DATABASE.connection_error",
    # MySQL and MariaDB: too many connections, host not allowed, host blocked
    "1040": "DATABASE.too_many_connections",
    "1203": "DATABASE.too_many_connections",
    "1129": "DATABASE.connection_error",
    "1130": "DATABASE.auth_failed_db",
    # Redis
    "NOAUTH": "CONFIG.auth_failed",
    "WRONGPASS": "CONFIG.auth_failed",
    "NOPERM": "CONFIG.auth_failed",
    "LOADING": "DATABASE.connection_error",
    "MISCONF": "DATABASE.disk_full_db",
}
DENIED = frozenset({"28P01", "28000", "1130", "NOAUTH", "WRONGPASS", "NOPERM"})
"""What a server says when it is the account, its password or the host that it does not accept."""


def server_away(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A server that the component's settings name does not let it in, and the component suffers.

    A server that its log speaks of too is nearly sure to be the cause; one that nothing speaks of
    may be one that the application can do without.
    """
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return None
    failed = [one for one in facts.reach if one.component == part.name and one.kind]
    failed.sort(key=lambda one: not spoken_of(facts, part, one))
    if not failed:
        return None
    one = failed[0]
    sure = spoken_of(facts, part, one)
    return Finding(
        verdict="confirms",
        name=cause_of(one),
        component=part.name,
        culprit=culprit_of(one),
        likelihood=0.9 if sure else 0.4,
        depth=26 if sure else 6,
        evidence=(Evidence(source=f"from the host to {one.server}", excerpt=said(one)),),
    )


def cause_of(one: Reached) -> str:
    """The class and subtype of the first step that failed."""
    if "role" in one.says and "does not exist" in one.says:
        return "DATABASE.user_not_found"
    if one.code in REFUSALS:
        return REFUSALS[one.code]
    if one.kind in ("no such name", "no name server"):
        return "SERVICE.dns_failure"
    if one.kind == "certificate":
        return "SERVICE.tls_certificate"
    if one.kind in ("tls", "nonsense"):
        return "CONFIG.wrong_port"
    if one.scheme in DATABASES:
        return "DATABASE.connection_error"
    return "SERVICE.timeout" if one.reached == "connection" else "SERVICE.upstream_unreachable"


def culprit_of(one: Reached) -> str:
    """Whom it concerns: the name, the account or the server."""
    if one.kind in ("no such name", "no name server", "certificate"):
        return one.host
    return one.user if one.code in DENIED and one.user else one.server


def said(one: Reached) -> str:
    """One line for people: what was tried, how far it got, and what came back."""
    got = f"after {one.reached}" if one.reached else "at once"
    return f"{one.setting}: {one.kind} {got}: {one.code} {one.says}".strip()


def spoken_of(facts: Facts, part: Component, one: Reached) -> bool:
    """Whether the component's log names the server, by its name, port, scheme or account."""
    log = facts.of(part).log.lower()
    words = (one.host, f":{one.port}", f"port {one.port}", one.scheme, f'"{one.user}"')
    return any(word.lower() in log for word in words if word.strip('"'))


def refused(facts: Facts, part: Component, setting: str) -> Reached | None:
    """The server that *setting* of *part* names, when one does not get in there."""
    rows = (r for r in facts.reach if r.component == part.name and r.setting == setting)
    return next((row for row in rows if row.kind), None)
