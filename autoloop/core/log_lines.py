"""Lines of several logs of one component, in the order in which they were written.

An entry is a line with a time and what follows it without one. Times are read in the forms that
programs use; one without a zone is the host's own local time.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_ZONE = r"(?P<zone>Z|[+-]\d\d:?\d\d)?"
_CLOCK = r"(?P<h>\d\d):(?P<mi>\d\d):(?P<s>\d\d)(?:[.,](?P<f>\d{1,9}))?"
_FORMS = (
    re.compile(rf"(?P<y>\d{{4}})[-/](?P<mo>\d\d)[-/](?P<d>\d\d)[T ]{_CLOCK} ?{_ZONE}"),
    re.compile(rf"(?P<d>\d\d)/(?P<name>[A-Z][a-z]{{2}})/(?P<y>\d{{4}}):{_CLOCK} ?{_ZONE}"),
    re.compile(rf"^(?P<name>[A-Z][a-z]{{2}}) (?P<d>[ \d]\d) {_CLOCK}"),
)
BURST_S = 20.0
WHOLE_S = 1.0  # many programs write no fractions of a second
WITHIN = 60  # characters at the start of a line, in which its time is


def moment(line: str, year: int, offset_s: int = 0) -> float | None:
    """When *line* was written, in seconds since 1970; None when it does not say.

    Args:
        year: for forms that have none.
        offset_s: of the host's local time from UTC, for times without a zone.
    """
    for form in _FORMS:
        found = form.search(line[:WITHIN])
        if found:
            return _seconds({k: v or "" for k, v in found.groupdict().items()}, year, offset_s)
    return None


def _seconds(parts: dict[str, str], year: int, offset_s: int) -> float | None:
    name = parts.get("name", "")
    if name and name not in _MONTHS:
        return None
    month = _MONTHS.index(name) + 1 if name else int(parts["mo"])
    clock = int(parts["h"]), int(parts["mi"]), int(parts["s"])
    try:
        local = datetime(int(parts.get("y") or year), month, int(parts["d"]), *clock, tzinfo=UTC)
    except ValueError:
        return None
    away = _offset(parts.get("zone", ""), offset_s)
    fraction = float(f"0.{parts['f']}") if parts.get("f") else 0.0
    return (local - timedelta(seconds=away)).timestamp() + fraction


def _offset(zone: str, local_s: int) -> int:
    if not zone:
        return local_s
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def in_order(
    logs: Iterable[str], now: float, offset_s: int = 0, since: float = 0.0, well: float = 0.0
) -> str:
    """The entries of all *logs* as one text, the newest last.

    A log without times comes before the others: it cannot say that it is new.

    Args:
        now: the host's clock, in seconds since 1970.
        since: entries that are known to be older are left out; 0 leaves out those that are
            more than `BURST_S` older than the newest.
        well: when their writer last was well, if it is not now: what it said before that is of
            another trouble. Of no use where nothing was said since.
    """
    year = datetime.fromtimestamp(now, UTC).year
    entries = [entry for log in logs for entry in _entries(log, year, offset_s)]
    newest = max((written for written, _ in entries), default=0.0)
    first = since or newest - BURST_S
    if well - WHOLE_S <= newest:
        first = max(first, well - WHOLE_S)
    kept = [entry for entry in entries if not entry[0] or entry[0] >= first]
    return "\n".join(text for _, text in sorted(kept, key=lambda entry: entry[0]))


def _entries(log: str, year: int, offset_s: int) -> list[tuple[float, str]]:
    """Each line with a time, and what follows it; lines before the first are the end of an older
    entry, and have its time at the latest. In a log without times all have the time 0."""
    found: list[tuple[float, str]] = []
    for line in log.splitlines():
        written = moment(line, year, offset_s)
        if written is None and found:
            found[-1] = (found[-1][0], f"{found[-1][1]}\n{line}")
        else:
            found.append((written or 0.0, line))
    first = next((written for written, _ in found if written), 0.0)
    return [(written or first, text) for written, text in found]
