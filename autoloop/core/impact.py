"""Impact: who notices a trouble, since when, and what may be lost by it.

Access logs that an application declares (nginx's "combined", gunicorn's default and others of that
form) tell what the requests of the last quarter of an hour came to. Pure: texts in, figures out.
How severity follows from them is `severity_of`; ``docs/explanation/diagnosis.md`` has the rules.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

from autoloop.core.redact import redact
from autoloop.core.taxonomy import Severity, default_severity
from autoloop.core.words import Frozen, Words

WINDOW_S = 900.0
"""Seconds before the look in which requests count."""

OWN_AGENT = "autoloop"
"""How the platform's own requests call themselves; they do not count."""

ENDPOINTS = 10
HALF_OF, FEW_OF, FEW = 20, 50, 0.05
"""Half of so many requests failing is the worst; less than `FEW` of so many is less severe."""

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
WRITES = frozenset(("POST", "PUT", "PATCH", "DELETE"))
LOST = frozenset(("DATABASE.data_corruption", "DATABASE.disk_full_db", "SERVICE.disk_full"))
"""Causes by which data that is written may be lost."""

_LINE = re.compile(
    r"(\S{0,256}) \S{1,256} \S{1,256} "
    r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)\] "
    r'"((?:[^"\\]|\\.)*)" (\d{3}) (?:\d+|-)(?: "(?:[^"\\]|\\.)*" "((?:[^"\\]|\\.)*)")?'
)
_NAMED = re.compile(r"(?:\d+|[0-9a-fA-F]{8,}|[0-9a-fA-F-]{32,}|(?=\S*\d)\S{24,})")


class Hit(Frozen):
    """One line of an access log."""

    at: datetime
    client: str
    method: str
    path: str
    status: int

    @property
    def failed(self) -> bool:
        """The server erred, or the client gave up waiting (nginx's 499)."""
        return self.status >= 500 or self.status == 499

    @property
    def endpoint(self) -> str:
        """Method and path; numbers, ids and the query do not count."""
        parts = self.path.split("?")[0].split("/")[:7]
        plain = "/".join("*" if _NAMED.fullmatch(part) else part for part in parts)
        return redact(f"{self.method} {plain}")[:100]


class Endpoint(Frozen):
    """What the requests of one kind came to. *failing*: the newest of them failed."""

    name: str
    requests: int
    failed: int
    since: str
    failing: bool


class Traffic(Frozen):
    """What the requests of the window came to; times are ISO 8601, UTC.

    *clients* is None where the log does not show them: behind a front, all requests are its own.
    """

    requests: int = 0
    failed: int = 0
    writes_failed: int = 0
    clients: int | None = None
    clients_failed: int | None = None
    begins: str = ""
    ends: str = ""
    since: str = ""
    last_good: str = ""
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def share(self) -> float:
        """The failed part of all requests, 0 to 1."""
        return self.failed / self.requests if self.requests else 0.0


class Impact(Frozen):
    """Who notices: parts, cases and, where an access log is declared, requests; since when."""

    components: tuple[str, ...] = ()
    cases_failing: tuple[str, ...] = ()
    since: str = ""
    traffic: Traffic | None = None
    data: tuple[Words, ...] = ()


def hits(text: str) -> Iterator[Hit]:
    """The requests that *text* logs; lines of another form are left out."""
    for line in text.splitlines():
        found = _LINE.match(line[:16384])
        if found is None or (found[13] or "").startswith(OWN_AGENT):
            continue
        method, _, path = found[11].partition(" ")
        if method in METHODS and found[3] in MONTHS:
            hit = _hit(found, method, path.rpartition(" ")[0] or path)
            if hit is not None:
                yield hit


def _hit(found: re.Match[str], method: str, path: str) -> Hit | None:
    day, year, hour, minute, second = (int(found[n]) for n in (2, 4, 5, 6, 7))
    off = timedelta(hours=int(found[9]), minutes=int(found[10]))
    try:
        zone = timezone(off if found[8] == "+" else -off)
        month = MONTHS.index(found[3]) + 1
        at = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
        at = at.astimezone(UTC)
    except (ValueError, OverflowError):  # no such day, or no such zone
        return None
    return Hit(at=at, client=found[1], method=method, path=path, status=int(found[12]))


def traffic_of(texts: Iterable[str], now: float) -> Traffic | None:
    """What the requests in *texts* came to, within `WINDOW_S` before *now* (seconds since 1970).

    Returns:
        None when the texts log no request of that time.
    """
    seen = sorted((hit for text in texts for hit in hits(text)), key=lambda hit: hit.at)
    begin, end = now - WINDOW_S, now + 60
    seen = [hit for hit in seen if begin <= hit.at.timestamp() <= end]
    if not seen:
        return None
    failed = [hit for hit in seen if hit.failed]
    clients, hurt = _clients(seen), _clients(failed)
    rows = _endpoints(seen)
    good = [hit for hit in seen if hit.status < 400]
    return Traffic(
        requests=len(seen),
        failed=len(failed),
        writes_failed=sum(1 for hit in failed if hit.method in WRITES),
        clients=len(clients) if clients else None,
        clients_failed=len(hurt) if clients else None,
        begins=_iso(seen[0].at),
        ends=_iso(seen[-1].at),
        since=_since(rows, failed),
        last_good=_iso(good[-1].at) if good else "",
        endpoints=tuple(row for row in rows if row.failed)[:ENDPOINTS],
    )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _clients(seen: Iterable[Hit]) -> set[str]:
    return {hit.client for hit in seen if _is_foreign(hit.client)}


def _is_foreign(client: str) -> bool:
    """Whether it is an address of somebody else than this host."""
    try:
        return not ip_address(client).is_loopback
    except ValueError:
        return client not in ("", "-", "localhost", "unix:")


def _endpoints(seen: list[Hit]) -> list[Endpoint]:
    """What became of each kind of request; most failures first."""
    rows: dict[str, Endpoint] = {}
    for hit in seen:
        old = rows.get(hit.endpoint)
        if old is None:
            old = Endpoint(name=hit.endpoint, requests=0, failed=0, since="", failing=False)
        since = old.since if old.failing else _iso(hit.at)
        rows[hit.endpoint] = Endpoint(
            name=old.name,
            requests=old.requests + 1,
            failed=old.failed + hit.failed,
            since=since if hit.failed else old.since,
            failing=hit.failed,
        )
    return sorted(rows.values(), key=lambda row: (-row.failed, row.name))


def _since(rows: list[Endpoint], failed: list[Hit]) -> str:
    """The first failure after which an endpoint has not worked again; where each has, the first."""
    lasting = [row.since for row in rows if row.failing]
    return min(lasting) if lasting else _iso(failed[0].at) if failed else ""


def severity_of(
    name: str, impact: Impact, first_case_passes: bool, unanswered: bool = False
) -> tuple[Severity, Words]:
    """How severe the cause called *name* is with this impact, and why.

    What does not serve, and half of the requests failing, is the worst. What nearly nobody notices
    is one less severe than it is by itself. *unanswered*: no case passes, and behind the address
    that people use nothing answers.
    """
    own, traffic = default_severity(name), impact.traffic
    if impact.components:
        parts = ", ".join(impact.components)
        return "P0", Words(en=f"{parts} does not serve", zh=f"{parts} 无法提供服务")
    if unanswered:
        return "P0", Words(en="no case gets an answer", zh="所有检查请求均无应答")
    if traffic and traffic.requests >= HALF_OF and traffic.share >= 0.5:
        return "P0", Words(
            en=f"{traffic.share:.0%} of the requests fail", zh=f"{traffic.share:.0%} 的请求失败"
        )
    few = traffic is not None and traffic.requests >= FEW_OF and traffic.share < FEW
    if traffic and few and first_case_passes and own in ("P0", "P1"):
        less: Severity = "P1" if own == "P0" else "P2"
        return less, Words(
            en=f"only {traffic.share:.1%} of the requests fail",
            zh=f"仅 {traffic.share:.1%} 的请求失败",
        )
    return own, Words(en=f"{name} is {own} by itself", zh=f"{name} 的默认级别为 {own}")


def data_at_risk(name: str, databases: Iterable[str], traffic: Traffic | None) -> tuple[Words, ...]:
    """What may be lost by the cause called *name*, as far as can be told."""
    found = []
    if name in LOST:
        which = ", ".join(databases) or "-"
        found.append(
            Words(
                en=f"what is written to the databases may be lost: {which}",
                zh=f"写入数据库的数据可能丢失：{which}",
            )
        )
    if traffic and traffic.writes_failed:
        count = traffic.writes_failed
        found.append(
            Words(
                en=f"{count} requests that write something failed; their senders got an error",
                zh=f"{count} 个写入请求失败，发送者收到了错误",
            )
        )
    return tuple(found)
