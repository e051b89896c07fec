"""What was found is understood once, counted, redacted, and handed in with care."""

from pathlib import Path

import pytest

from autoloop.core.diagnosis import BENIGN, Cause
from autoloop.core.incident import State
from autoloop.core.storm import Rule, fate
from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger
from autoloop.logs.findings import KEPT, Finding, Understanding
from autoloop.logs.reader import Keeper
from autoloop.logs.target.files import Found
from autoloop.logs.target.fold import Fold, Folded
from autoloop.logs.target.records import Record, spans
from autoloop.logs.target.scan import Words


class Counting:
    """A text engine that counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def read(self, text: str, most: int = 1) -> tuple[Cause, ...]:
        self.asked += 1
        return (Cause(name="CODE.runtime_error", confidence=0.9),)


def folded(text: bytes, count: int = 1, before: bytes = b"", after: bytes = b"") -> Folded:
    row = Folded("file:/shop.log", Record(text, before, after, 0))
    row.count = count
    return row


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """A ledger with an application under care."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    ledger.save_app("shop", {"environment": "test"})
    return ledger


def finding(mark: str, name: str = "CODE.runtime_error", count: int = 1) -> Finding:
    return Finding(fingerprint=f"v1:{mark}", name=name, count=count, text=f"ERROR {mark}")


def test_a_storm_is_one_row_with_a_count() -> None:
    """A hundred thousand lines that differ in numbers alone."""
    data = b"".join(b"10:00:00 ERROR order %d failed\n" % n for n in range(100_000))
    fold = Fold()
    fold.add("a", Found(data, spans(data, 0, len(data), Words().hits(data)), len(data), 0))
    (row,) = fold.take()
    assert row.count == 100_000
    assert row.record.text == b"10:00:00 ERROR order 0 failed\n"
    assert len(fold) == 0


def test_a_fingerprint_is_understood_once() -> None:
    """Ids differ, the trouble does not."""
    engine = Counting()
    rows = [folded(b"ERROR order %x1 failed" % (n * 7919), count=2) for n in range(50)]
    found = Understanding(engine).findings(rows)
    assert [each.count for each in found] == [100]
    assert engine.asked == 1


def test_what_says_that_nothing_failed_does_not_hide_what_failed() -> None:
    """They differ in a number alone, which is nought in the one."""
    fold, data = (
        Fold(),
        b"".join(b"10:00 worker exited with code %d\n" % n for n in (0, 1)),
    )
    fold.add("a", Found(data, spans(data, 0, len(data), [10, 40]), len(data), 0))
    calm, failed = Understanding().findings(fold.take())
    assert calm.name == BENIGN
    assert failed.name == "SERVICE.service_down"


TRACE = """10:00:00 ERROR request {} failed
Traceback (most recent call last):
  File "/srv/shop/db.py", line {}, in connect
    return psycopg.connect(dsn)
psycopg.OperationalError: {}
"""


def test_what_an_exception_says_tells_what_the_trouble_is() -> None:
    """The function and the type are the same; numbers and ids in what is said count for nothing."""
    refused = 'connection to server at "10.0.0.{}", port 5432 failed: Connection refused'
    said = [
        'connection failed: FATAL:  password authentication failed for user "shop"',
        refused.format(5),
        "connection failed: FATAL:  sorry, too many clients already",
        refused.format(77),
    ]
    rows = [folded(TRACE.format(n, n + 20, text).encode()) for n, text in enumerate(said)]
    found = Understanding().findings(rows)
    assert [(each.name, each.count) for each in found] == [
        ("DATABASE.auth_failed_db", 1),
        ("DATABASE.connection_error", 2),
        ("DATABASE.too_many_connections", 1),
    ]
    assert len({each.fingerprint for each in found}) == 3


def test_what_an_exception_names_does_not_tell_one_trouble_from_another() -> None:
    """A key in letters, one with digits, none."""
    said = ["no such order: shoes", "no such order: a17", "no such order"]
    rows = [folded(TRACE.format(1, 2, text).encode()) for text in said]
    assert [each.count for each in Understanding().findings(rows)] == [3]


KEY = (
    "-----BEGIN RSA PRIVATE KEY-----",
    *["MIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF0DdFhnRXo2bIXn6Cg5c5N9Kq1oo"] * 9,
    "q1ooMIIEpA==",
    "-----END RSA PRIVATE KEY-----",
)


@pytest.mark.parametrize("form", ["{}", "10:00:00 app: {}"])
@pytest.mark.parametrize("at", range(len(KEY) + 2))
def test_no_line_of_a_key_is_kept_wherever_a_record_begins(form: str, at: int) -> None:
    """A key goes over many lines, of which a record and what stands around it hold some."""
    lines = [f"{form.format(line)}\n".encode() for line in ("starting", *KEY, "started")]
    before, text, after = b"cut\n" + b"".join(lines[:at]), lines[at], b"".join(lines[at + 1 :])
    (found,) = Understanding().findings([folded(text, before=before, after=after)])
    kept = found.model_dump_json()
    assert "MIIE" not in kept
    assert "q1oo" not in kept


@pytest.mark.parametrize(
    "text",
    [
        b"ERROR no such image sha256:" + b"0123456789abcdef" * 4 + b"\n",
        b"ERROR cannot read /srv/shop/releases/" + b"a" * 64 + b".log\n",
        b"ERROR no such token " + b"aB3" * 20 + b"\n",
    ],
)
def test_what_is_no_key_stays(text: bytes) -> None:
    """A checksum, a path, a word of another length."""
    (found,) = Understanding().findings([folded(text)])
    assert found.text == text.decode().rstrip()


def test_nothing_secret_is_kept() -> None:
    """Neither of the record nor of the lines around it; and of a long record not all."""
    around = b"cut\npassword=hunter2\n"
    (found,) = Understanding().findings(
        [folded(b"ERROR token=abc123secret " + b"x" * 30_000, before=around, after=around)]
    )
    kept = found.model_dump_json()
    assert "abc123secret" not in kept
    assert "hunter2" not in kept
    assert len(found.text) < KEPT + 100


@pytest.mark.parametrize(
    ("name", "total", "live", "ago", "opened", "expected"),
    [
        ("CODE.x", 1, False, None, 0, "open"),
        (BENIGN, 99, False, None, 0, "count"),
        ("CODE.x", 1, True, None, 0, "join"),
        ("CODE.x", 2, False, 60.0, 0, "count"),
        ("CODE.x", 2, False, 4000.0, 0, "open"),
        ("CODE.x", 1, False, None, 5, "count"),
        ("LOGIN.x", 19, False, None, 0, "count"),
        ("LOGIN.x", 20, False, None, 0, "open"),
    ],
)
def test_what_becomes_of_a_finding(
    name: str, total: int, live: bool, ago: float | None, opened: int, expected: str
) -> None:
    """No error, being repaired, handed in lately, a storm of many kinds, users who mistype."""
    assert fate(name, total, live, ago, opened, Rule()) == expected


def test_a_finding_opens_one_incident_and_counts_on_it(ledger: Ledger) -> None:
    """Other findings of the application join it while it lives."""
    book = Logbook(ledger)
    opened = book.keep("shop", [finding("a", count=3)], {}).opened
    assert len(opened) == 1
    assert book.keep("shop", [finding("a", count=4), finding("b")], {}).opened == ()
    incident = ledger.incident(opened[0])
    assert (incident.events, incident.source, incident.state) == (8, "log", State.OPEN)
    assert incident.environment == "test"


def test_thousands_of_kinds_at_once_are_each_counted(ledger: Ledger) -> None:
    """However many there are, what was known of each is found again."""
    book = Logbook(ledger)
    found = [finding(f"k{number}") for number in range(2_000)]
    book.keep("files", found, {})
    assert set(book.keep("files", found, {}).totals.values()) == {2}


def test_the_same_is_not_handed_in_again_soon_after_its_incident_ended(ledger: Ledger) -> None:
    """It is counted; something else is handed in."""
    book = Logbook(ledger)
    (first,) = book.keep("shop", [finding("a")], {}).opened
    ledger.move(first, State.IGNORED, "nothing is wrong on the host")
    assert book.keep("shop", [finding("a")], {}).opened == ()
    assert len(book.keep("shop", [finding("b")], {}).opened) == 1
    rows = {row["fingerprint"]: row for row in book.found("shop")}
    assert rows["v1:a"]["count"] == 2
    assert rows["v1:a"]["incident"] == first


def test_while_a_person_is_asked_nothing_more_is_handed_in(ledger: Ledger) -> None:
    """Else the run would try again what somebody was asked about."""
    book = Logbook(ledger)
    (first,) = book.keep("shop", [finding("a")], {}).opened
    ledger.move(first, State.ASKED, "no remedy may be used")
    assert book.keep("shop", [finding("b")], {}).opened == ()
    ledger.move(first, State.CLOSED, "well again")
    assert len(book.keep("shop", [finding("b")], {}).opened) == 1


def test_many_kinds_at_once_open_few_incidents(ledger: Ledger) -> None:
    """Each ended at once, as a healthy application's are."""
    book = Logbook(ledger)
    for number in range(20):
        for opened in book.keep("shop", [finding(f"k{number}")], {}).opened:
            ledger.move(opened, State.IGNORED, "nothing is wrong on the host")
    assert len(ledger.records("shop")) == Rule().most
    assert len(book.found("shop")) == 20


@pytest.mark.parametrize(
    ("owner", "name", "hand_in"),
    [("files", "CODE.x", True), ("shop", BENIGN, True), ("shop", "CODE.x", False)],
)
def test_some_findings_open_nothing(ledger: Ledger, owner: str, name: str, hand_in: bool) -> None:
    """No application's, no error, or not to be handed in just now; they are counted."""
    book = Logbook(ledger)
    assert book.keep(owner, [finding("a", name)], {}, hand_in).opened == ()
    assert ledger.records() == []
    assert len(book.found(owner)) == 1


def test_places_and_findings_are_kept_together_or_not_at_all(ledger: Ledger) -> None:
    """When a finding cannot be written, the place is as before."""
    book = Logbook(ledger)
    book.keep("shop", [], {"file:a": {"files": [1]}})
    broken = finding("a").model_copy(update={"name": None})
    with pytest.raises(Exception, match="NOT NULL"):
        book.keep("shop", [broken], {"file:a": {"files": [2]}}, hand_in=False)
    assert book.states("shop") == {"file:a": {"files": [1]}}
    assert book.found("shop") == []


def test_a_keeper_tells_what_it_kept(ledger: Ledger) -> None:
    """With how often it came in all; and asks whether to hand in only when there is something."""
    told, asked = [], []
    keeper = Keeper(
        Logbook(ledger), "shop", told=lambda f, n: told.append((f.name, n)),
        may_hand_in=lambda: asked.append(1) is not None,
    )  # fmt: skip
    keeper.deliver([], {"file:a": {"files": []}})
    keeper.deliver([folded(b"ERROR database is locked\n", count=2)], {})
    keeper.deliver([folded(b"ERROR database is locked\n")], {})
    assert [total for _, total in told] == [2, 3]
    assert len(asked) == 2
    assert keeper.states() == {"file:a": {"files": []}}
