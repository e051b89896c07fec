"""Faults are made on real hosts, noticed, repaired and proved; what is none is left alone."""

import os

import pytest

from autoloop.arena import drill
from autoloop.arena.check import check
from autoloop.arena.fault import load
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

QUICK = ("code-changed", "unit-gave-up", "port-held-by-service", "scary-text")


def test_one_of_each_kind_ends_as_it_should(product: Product) -> None:
    """Code, a unit, a decision that only a person can take, and words that mean nothing."""
    card = drill.run(load(names=QUICK), product)
    assert [row for row in card["faults"] if not drill.good(row)] == []


@pytest.mark.slow
@pytest.mark.timeout(2 * 3600)
def test_every_fault_ends_as_it_should(product: Product) -> None:
    """All that ship, and what scripts that do not look would have done."""
    card = drill.run(load(), product, baselines=True)
    assert [row for row in card["faults"] if not drill.good(row)] == []
    ours = card["summary"]["repaired"]
    assert all(ours > other["repaired"] for other in card["baselines"].values())


@pytest.mark.slow
@pytest.mark.timeout(2 * 3600)
def test_every_fault_is_a_fault() -> None:
    """Red when it is made, green after each good repair, red after each bad one."""
    report = check(load(), jobs=2)
    assert [result for result in report if not result.ok] == []
