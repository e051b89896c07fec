"""Tables that last: collected never, and the collector is left as it was."""

import gc

import pytest

from autoloop.core.reading.lasting import SELDOM, lasting, seldom


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_before(enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with lasting():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_what_was_made_is_not_looked_at_again() -> None:
    before = gc.get_freeze_count()
    with lasting():
        kept = [[number] for number in range(1000)]
    try:
        assert gc.get_freeze_count() >= before + len(kept)
    finally:
        gc.unfreeze()


def test_garbage_is_collected_seldom_where_texts_are_read() -> None:
    before = gc.get_threshold()
    with seldom():
        assert gc.get_threshold() == (SELDOM, *before[1:])
    assert gc.get_threshold() == before
