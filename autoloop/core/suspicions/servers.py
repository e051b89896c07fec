"""Servers that the settings name: how far one gets to them from the application's own host.

The agent goes step by step (`autoloop.agent.reach`): name, connection, TLS, the server's greeting,
login with the application's own account. The first step that fails is the cause's name.
"""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts, Reached
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import drift_of, healthy, last_line, suffers

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
    # MySQL and MariaDB: https://dev.mysql.com/doc/mysql-errors/en/server-error-reference.html
    "1040": "DATABASE.too_many_connections",
    "1203": "DATABASE.too_many_connections",
    "1226": "DATABASE.too_many_connections",
    "1129": "DATABASE.connection_error",  # too many broken connections from this host
    "3159": "DATABASE.connection_error",  # TLS only
    "1049": "DATABASE.schema_mismatch",
    "1044": "DATABASE.auth_failed_db",
    "1045": "DATABASE.auth_failed_db",
    "1130": "DATABASE.auth_failed_db",
    "1524": "DATABASE.auth_failed_db",  # its way of authentication is not there any more
    "1698": "DATABASE.auth_failed_db",
    "1820": "DATABASE.auth_failed_db",  # this and 1862: the password has expired
    "1862": "DATABASE.auth_failed_db",
    "3118": "DATABASE.auth_failed_db",  # this and 4151: the account is locked
    "4151": "DATABASE.auth_failed_db",
    "3955": "DATABASE.auth_failed_db",  # too many wrong passwords
    # Redis
    "NOAUTH": "CONFIG.auth_failed",
    "WRONGPASS": "CONFIG.auth_failed",
    "NOPERM": "CONFIG.auth_failed",
    "LOADING": "DATABASE.connection_error",
    "MISCONF": "DATABASE.disk_full_db",
}
LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
DENIED = frozenset(
    {"28P01", "28000", "NOAUTH", "WRONGPASS", "NOPERM"}
    | {"1044", "1045", "1130", "1524", "1698", "1820", "1862", "3118", "3955", "4151"}
)
"""What a server says when it is the account, its password or the host that it does not accept."""
UNKNOWN_DATABASE = "1049"


def server_away(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A server that the component's settings name does not let it in, and the component suffers.

    A server that its log speaks of too is nearly sure to be the cause, as is one that lets us wait
    in vain when the application does too. One that nothing speaks of may be one that the
    application can do without.
    """
    if healthy(spec, facts) or not suffers(spec, facts, part):
        return None
    failed = [one for one in facts.reach if one.component == part.name and one.failed]
    failed.sort(key=lambda one: not spoken_of(facts, part, one))
    if not failed:
        return None
    one = failed[0]
    spoken = spoken_of(facts, part, one)
    sure = spoken or waited_for(facts, one)
    keeper = keeper_of(spec, facts, part, one)
    if keeper is not None:
        return turned_away(facts, keeper, one)
    return Finding(
        verdict="confirms",
        name=cause_of(one),
        component=part.name,
        culprit=culprit_of(one),
        likelihood=0.9 if spoken else 0.8 if sure else 0.4,
        depth=26 if sure else 6,
        evidence=(Evidence(source=f"from the host to {one.server}", excerpt=said(one)),),
    )


def keeper_of(spec: AppSpec, facts: Facts, part: Component, one: Reached) -> Component | None:
    """The component that turned the account of *part* away, where that is its own doing: it is one
    of the application's, on this host, and the setting is as it was when all was well."""
    changed = any(
        one.setting in (*drift.settings.changed, *drift.settings.missing)
        for drift in drift_of(facts, part)
        if drift.settings
    )
    if one.kind != "refused by server" or changed:
        return None
    return owner_of(spec, part, one)


def owner_of(spec: AppSpec, part: Component, one: Reached) -> Component | None:
    """The component that a server of *part*'s settings is, where it is one, on this host."""
    others = (each for each in spec.components if each.port == one.port and each != part)
    return next(others, None) if one.host in LOCAL else None


def turned_away(facts: Facts, keeper: Component, one: Reached) -> Finding:
    """What *keeper* says of the account, and whether its own configuration was changed."""
    changed = [drift.path for drift in drift_of(facts, keeper)]
    named = [path for path in changed if path.rpartition("/")[2] in one.says]
    gone = role_is_gone(facts, keeper, one)
    return Finding(
        verdict="confirms",
        name="DATABASE.user_not_found" if gone else cause_of(one),
        component=keeper.name,
        culprit=(named or changed or [culprit_of(one)])[0],
        likelihood=0.95,
        depth=30 if changed else 26,
        evidence=(
            Evidence(source=f"from the host to {one.server}", excerpt=said(one)),
            *(Evidence(source=p, excerpt="differs from the last good state") for p in changed[:3]),
            Evidence(source=f"log of {keeper.unit}", excerpt=gone),
        ),
    )


def role_is_gone(facts: Facts, keeper: Component, one: Reached) -> str:
    """What the server's own log says of its last refusal and does not tell the client, if it does:
    to the client, a role that is not there and a wrong password are the same (28P01)."""
    refusal, said = f'authentication failed for user "{one.user}"', f'Role "{one.user}" does not'
    _, found, after = facts.of(keeper).log.rpartition(refusal)
    return last_line(after, said) if found and one.code == "28P01" else ""


def cause_of(one: Reached) -> str:
    """The class and subtype of the first step that failed."""
    if "role" in one.says and "does not exist" in one.says:
        return "DATABASE.user_not_found"
    if one.code in REFUSALS:
        return REFUSALS[one.code]
    if no_name(one):
        return "SERVICE.dns_failure"
    if one.kind == "certificate":
        return "SERVICE.tls_certificate"
    if one.kind in ("tls", "nonsense"):
        return "CONFIG.wrong_port"
    if one.scheme in DATABASES:
        return "DATABASE.connection_error"
    return "SERVICE.timeout" if one.reached == "connection" else "SERVICE.upstream_unreachable"


def no_name(one: Reached) -> bool:
    """Whether not even an address was found; a name server that nothing comes back from says it
    by the time that passes."""
    return one.kind in ("no such name", "no name server") or (
        one.kind == "timeout" and not one.reached
    )


def culprit_of(one: Reached) -> str:
    """Whom it concerns: the name, the account or the server."""
    if no_name(one) or one.kind == "certificate":
        return one.host
    if one.code == UNKNOWN_DATABASE:
        return one.database
    return one.user if one.code in DENIED and one.user else one.server


def said(one: Reached) -> str:
    """One line for people: what was tried, how far it got, and what came back."""
    got = f"after {one.reached}" if one.reached else "at once"
    return f"{one.setting}: {one.kind} {got}: {one.code} {one.says}".strip()


def spoken_of(facts: Facts, part: Component, one: Reached) -> bool:
    """Whether the component's log names the server, by its name, port, scheme or account."""
    log = facts.of(part).log.lower()
    words = (one.host, f":{one.port}", f"port {one.port}", one.scheme, one.socket)
    accounts = (f'"{one.user}"', f"'{one.user}'") if one.user else ()
    return any(word.lower() in log for word in (*words, *accounts) if word)


def waited_for(facts: Facts, one: Reached) -> bool:
    """Whether the first case waited for an answer in vain, and so did we at the server."""
    return one.kind == "timeout" and not facts.health.status and "timed out" in facts.health.error


def refused(facts: Facts, part: Component, setting: str) -> Reached | None:
    """The server that *setting* of *part* names, when one does not get in there."""
    rows = (r for r in facts.reach if r.component == part.name and r.setting == setting)
    return next((row for row in rows if row.failed), None)
