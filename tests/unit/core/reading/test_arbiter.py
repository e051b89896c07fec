"""The arbiter: when the classifier has a say, and how what it says is told."""

from math import log

import pytest

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading import signature_engine, text_engine
from autoloop.core.reading.arbiter import SURE, ArbitratedEngine
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.learned import Learned, learned


class Certain(Learned):
    """A classifier that is as good as certain of one name, and counts how often it was asked."""

    def __init__(self, name: str) -> None:
        real = learned()
        self.__dict__.update(real.__dict__)
        self.name, self.asked = name, 0

    def likely(self, excerpt: Excerpt) -> dict[str, float]:
        self.asked += 1
        return {name: 0.0 if name == self.name else log(1e-12) for name in self.names}


def engine(name: str) -> tuple[ArbitratedEngine, Certain]:
    """An engine with such a classifier."""
    certain = Certain(name)
    return ArbitratedEngine(signature_engine(), certain), certain


@pytest.mark.parametrize(
    "text", ["No space left on device", "errors=0", ("word " * 100 + "\n") * 10]
)
def test_it_is_not_asked(text: str) -> None:
    """Where signatures are sure of trouble or of none, and of texts longer than it learnt from."""
    arbitrated, certain = engine("LOGIN.wrong_password")
    assert arbitrated.read(text) == signature_engine().read(text)
    assert certain.asked == 0


def test_what_no_signature_knows_is_named_by_likeness() -> None:
    """And says that it is no more than that."""
    arbitrated, _ = engine("LOGIN.account_locked")
    text = "Wicket 12 could not be opened for this guest"
    assert signature_engine().read(text)[0].confidence < SURE
    top = arbitrated.read(text)[0]
    assert (top.name, top.evidence[0].excerpt) == ("LOGIN.account_locked", text)
    assert [each.source for each in top.evidence] == ["text, line 1", "meaning", "likeness"]


def test_whether_anything_is_wrong_is_not_its_matter() -> None:
    """However alike an ordinary line is to errors."""
    arbitrated, certain = engine("SERVICE.too_many_open_files")
    assert arbitrated.read("Max open files: 65536")[0].name == BENIGN
    assert certain.asked == 0
    assert BENIGN not in certain.names


def test_which_line_tells_the_cause_is_not_its_matter() -> None:
    """The proxy only passes it on, however the lines are worded."""
    text = (
        "Mar 03 10:00:01 web1 systemd[1]: shop.service: Failed with result 'exit-code'.\n"
        '10.0.0.1 - - [03/Mar/2026:10:00:02 +0000] "GET /cart HTTP/1.1" 502 157 "-" "curl"'
    )
    arbitrated, _ = engine("SERVICE.upstream_unreachable")
    assert arbitrated.read(text)[0].name == "SERVICE.service_down"


def test_confidences_fall() -> None:
    """Whoever spoke."""
    for text in ("the cart is broken", "用户被挡在门外", "LDAP says no to the shop's account"):
        sure = [cause.confidence for cause in text_engine().read(text)]
        assert sure == sorted(sure, reverse=True)
        assert all(0 <= each <= 1 for each in sure)


def test_likeness_names_no_database_where_nothing_speaks_of_one() -> None:
    """Connections are refused by all kinds of servers."""
    arbitrated, _ = engine("DATABASE.connection_error")
    assert arbitrated.read("Wicket 12 could not be opened")[0].name != "DATABASE.connection_error"
    named = arbitrated.read("Wicket 12 of the ledger's table could not be opened")[0].name
    assert named == "DATABASE.connection_error"
