"""The ledger: one incident for one trouble, every step once, numbers that only grow."""

import multiprocessing
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autoloop.core.errors import NotFound, NotSettled
from autoloop.core.incident import Incident, State, request_of
from autoloop.ledger.store import Ledger


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where a new ledger will be."""
    return f"sqlite:///{tmp_path / 'state' / 'ledger.db'}"


@pytest.fixture
def book(url: str) -> Iterator[Ledger]:
    """An empty ledger."""
    made = Ledger(url)
    yield made
    made.engine.dispose()


def told(book: Ledger, text: str = "502", **more: Any) -> tuple[Incident, bool]:
    """One report about the shop."""
    return book.open_incident(request_of("shop", text, **more))


def end(book: Ledger, incident: Incident) -> None:
    """Let it be over."""
    book.move(incident.id, State.IGNORED, "nothing")


# ---- the same trouble


def test_the_same_trouble_is_one_incident_and_counts_its_events(book: Ledger) -> None:
    """Other words, another application or another tenant are another."""
    one, new = told(book, "worker 1 died")
    again, new_again = told(book, "worker 2 died")
    assert (new, new_again, again.id, again.events) == (True, False, one.id, 2)
    assert told(book, "disk full")[1]
    assert told(book, "worker 1 died", tenant="other")[1]


def test_trouble_after_the_end_is_a_new_incident(book: Ledger) -> None:
    """What is over is not opened again."""
    one, _ = told(book)
    end(book, one)
    assert told(book)[1]


def test_a_health_check_joins_whatever_is_being_worked_on(book: Ledger) -> None:
    """Its words differ each time, the trouble does not."""
    one, _ = told(book, "a person's words")
    assert told(book, "health check: x", source="health")[0].id == one.id


def test_a_key_hands_the_same_trouble_in_once(book: Ledger) -> None:
    """Also after its end; a repetition is no event; other actors have keys of their own."""
    one, _ = told(book, idempotency_key="k")
    again, new = told(book, "other words", idempotency_key="k")
    assert (again.id, new, again.events) == (one.id, False, 1)
    end(book, one)
    assert told(book, idempotency_key="k")[0].id == one.id
    assert told(book, idempotency_key="k", actor="other")[1]


def test_the_key_of_a_report_that_joined_is_kept_too(book: Ledger) -> None:
    """Repeated after the end, it opens nothing."""
    one, _ = told(book)
    assert told(book, idempotency_key="k")[0].id == one.id
    end(book, one)
    assert told(book, idempotency_key="k") == (book.incident(one.id), False)


def test_keys_belong_to_the_token_they_came_with(book: Ledger) -> None:
    """Whoever is named as the actor; another token has keys of its own."""
    one, _ = told(book, idempotency_key="k", bearer="t", actor="ann")
    assert told(book, "other", idempotency_key="k", bearer="t", actor="bob")[0].id == one.id
    assert told(book, "other", idempotency_key="k", bearer="u", actor="ann")[1]
    assert told(book, "another", idempotency_key="k", actor="ann")[1]


def test_the_environment_is_that_of_the_application(book: Ledger) -> None:
    """Unless the request names one; named or not, it is the same trouble."""
    book.save_app("shop", {"environment": "staging"})
    one, _ = told(book)
    assert one.environment == "staging"
    assert told(book, environment="staging")[0].id == one.id
    assert told(book, environment="test")[0].environment == "test"


def test_the_severity_is_that_of_the_diagnosis(book: Ledger) -> None:
    """As soon as there is one."""
    one, _ = told(book)
    book.move(one.id, State.DIAGNOSING, "x")
    assert book.record(one.id)["severity"] == "P1"
    book.move(one.id, State.ASKED, "x", diagnosis={"severity": "P0", "causes": []})
    assert book.record(one.id)["severity"] == book.incident(one.id).severity == "P0"


# ---- steps


def test_a_step_is_written_once_with_what_belongs_to_it(book: Ledger) -> None:
    """A run that is resumed makes it again: nothing happens."""
    one, _ = told(book)
    for _ in range(2):
        book.move(one.id, State.DIAGNOSING, "taken up", flow_run="r")
    assert [s.state for s in book.timeline(one.id)] == ["open", "diagnosing"]
    assert book.incident(one.id).flow_run == "r"


def test_a_step_that_the_diagram_lacks_is_refused(book: Ledger) -> None:
    """And leaves no trace."""
    one, _ = told(book)
    with pytest.raises(NotSettled, match="cannot go from 'open' to 'closed'"):
        book.move(one.id, State.CLOSED, "x", outcome={"a": 1})
    assert len(book.timeline(one.id)) == 1
    assert book.record(one.id)["outcome"] is None


def test_the_end_has_a_time_which_goes_when_it_goes_on(book: Ledger) -> None:
    """A person who was asked may set it going again."""
    one, _ = told(book)
    book.move(one.id, State.ASKED, "x")
    assert book.record(one.id)["ended"]
    assert book.live("shop") is None
    assert [record["id"] for record in book.asked("shop")] == [one.id]
    assert book.asked("other") == []
    book.move(one.id, State.DIAGNOSING, "again")
    assert not book.record(one.id)["ended"]


def test_a_note_is_written_once_even_when_it_is_redacted(book: Ledger) -> None:
    """Moves nothing."""
    one, _ = told(book)
    for _ in range(2):
        book.note(one.id, "password=hunter2 again")
    assert [s.state for s in book.timeline(one.id)] == ["open", "open"]


def test_waiting_and_worked_on_are_told_apart(book: Ledger) -> None:
    """What no run has taken up is an orphan until one does."""
    one, _ = told(book, "one")
    two, _ = told(book, "two")
    book.move(two.id, State.DIAGNOSING, "x", flow_run="r")
    assert [i.id for i in book.waiting()] == [one.id]
    assert [i.id for i in book.worked_on()] == [two.id]


def test_one_run_at_a_time_works_on_an_incident(book: Ledger) -> None:
    """The same run may come again; another is told which one works; after the end it may."""
    incident, _ = book.open_incident(request_of("shop", "x"))
    for _ in range(2):
        assert book.take_up(incident.id, "one").state == State.DIAGNOSING
    with pytest.raises(NotSettled, match="run one works on it already"):
        book.take_up(incident.id, "two")
    book.move(incident.id, State.ASKED, "x")
    assert book.take_up(incident.id, "two").flow_run == "two"


def test_what_is_down_waits_before_what_is_older(book: Ledger) -> None:
    """Its run is started first."""
    told(book, "slow")
    told(book, "down", severity="P0")
    told(book, "odd")
    assert [i.text for i in book.waiting()] == ["down", "slow", "odd"]


def test_what_does_not_exist_is_not_found(book: Ledger) -> None:
    """With a next step."""
    for ask in (book.incident, book.record, book.check_app, book.forget_app):
        with pytest.raises(NotFound, match="autoloop"):
            ask("nix")


def test_an_application_can_be_let_go_and_its_incidents_stay(book: Ledger) -> None:
    """Saving twice is one."""
    for every in (1, 2):
        book.save_app("shop", {"every_s": every})
    told(book)
    assert book.apps()["shop"]["every_s"] == 2
    book.forget_app("shop")
    assert not book.apps()
    assert len(book.records("shop")) == 1


def test_what_keeps_coming_back_is_counted(book: Ledger) -> None:
    """Only what a repair has closed, since then."""
    for _ in range(2):
        one, _ = told(book)
        book.move(one.id, State.DIAGNOSING, "x")
        cause = {"causes": [{"name": "SERVICE.service_down"}]}
        book.move(one.id, State.PLANNED, "x", diagnosis=cause)
        for state in (State.REPAIRING, State.PROVING):
            book.move(one.id, state, "x")
        book.move(one.id, State.CLOSED, "x", outcome={"kept": True})
    assert book.repeats("shop", "SERVICE.service_down", "2000") == 2
    assert book.repeats("shop", "SERVICE.port_blocked", "2000") == 0
    assert book.repeats("shop", "SERVICE.service_down", "2999") == 0


# ---- secrets


def test_no_secret_is_stored(book: Ledger, tmp_path: Path) -> None:
    """Not in the text, the fields, a reason or a note: the file does not hold the word."""
    one, _ = told(book, "login with password=hunter2", fields={"db_password": "hunter2", "a": "b"})
    book.move(one.id, State.DIAGNOSING, "token: hunter2")
    book.note(one.id, "secret=hunter2")
    assert book.incident(one.id).fields["a"] == "b"
    book.engine.dispose()
    for path in (tmp_path / "state").iterdir():
        assert b"hunter2" not in path.read_bytes(), path.name


# ---- several at once


def storm(url: str, start: Any, answers: Any) -> None:
    """One process among others: open, report, count."""
    start.wait()
    book = Ledger(url)
    fences = [book.next_fence("shop") for _ in range(25)]
    incidents = [told(book, "the same trouble")[0].id for _ in range(10)]
    keyed = told(book, "another", idempotency_key="k", actor="a")[0].id
    answers.put((fences, incidents, keyed))


def test_two_processes_at_once_make_one_incident_and_no_number_twice(url: str) -> None:
    """Even when the ledger does not exist yet: both make its tables."""
    spawn = multiprocessing.get_context("fork")
    start, answers = spawn.Barrier(2), spawn.Queue()
    children = [spawn.Process(target=storm, args=(url, start, answers)) for _ in range(2)]
    for child in children:
        child.start()
    got = [answers.get(timeout=20) for _ in children]
    for child in children:
        child.join(20)
        assert child.exitcode == 0
    numbers = [number for fences, _, _ in got for number in fences]
    assert sorted(numbers) == list(range(1, 51))
    assert all(fences == sorted(fences) for fences, _, _ in got)
    assert len({one for _, incidents, _ in got for one in incidents}) == 1
    assert len({keyed for _, _, keyed in got}) == 1
    book = Ledger(url)
    assert book.incident(got[0][1][0]).events == 20
    book.engine.dispose()


def test_threads_share_one_ledger(book: Ledger) -> None:
    """As the API's do."""
    with ThreadPoolExecutor(8) as pool:
        ids = {i.id for i, _ in pool.map(lambda n: told(book, f"worker {n}"), range(24))}
    assert len(ids) == 1


def test_it_is_durable_and_answers(book: Ledger, tmp_path: Path) -> None:
    """WAL, and opened again it has everything."""
    one, _ = told(book)
    assert book.ping()
    assert Ledger(str(book.engine.url)).incident(one.id) == one
    base = sqlite3.connect(tmp_path / "state" / "ledger.db")
    assert base.execute("pragma journal_mode").fetchone() == ("wal",)
    base.close()


def waiting(book: Ledger) -> Incident:
    """An incident with a plan that a person decides about."""
    incident, _ = told(book, "risky")
    for state in (State.DIAGNOSING, State.PLANNED, State.AWAITING_APPROVAL):
        book.move(incident.id, state, "so far", flow_run="run-1")
    return incident


def test_the_first_decision_counts(book: Ledger) -> None:
    """The same again is no error, the opposite is; what goes on is listed once it is decided."""
    incident = waiting(book)
    assert book.decided() == []
    book.decide(incident.id, True, "ann", "token=abcdef1234567890")
    book.decide(incident.id, True, "bob")
    assert book.record(incident.id)["decision"]["actor"] == "ann"
    assert "abcdef" not in str(book.record(incident.id)["decision"])
    assert [one.id for one in book.decided()] == [incident.id]
    with pytest.raises(NotSettled, match="decided already"):
        book.decide(incident.id, False, "bob")


def test_only_what_waits_can_be_decided(book: Ledger) -> None:
    """Neither what is still looked at nor what does not exist."""
    incident, _ = told(book)
    with pytest.raises(NotSettled, match="'open'"):
        book.decide(incident.id, True, "ann")
    with pytest.raises(NotFound):
        book.decide("i-nothing", True, "ann")


def test_what_waits_for_the_disk_and_what_does_not_share_connections(tmp_path: Path) -> None:
    """Each transaction has what it asked for, whoever used its connection before."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    engines = {"full": (ledger.engine, 2), "normal": (ledger.unhurried, 1)}
    for wanted in ("full", "normal", "normal", "full", "normal"):
        engine, number = engines[wanted]
        with engine.begin() as here:
            assert here.exec_driver_sql("pragma synchronous").scalar() == number
