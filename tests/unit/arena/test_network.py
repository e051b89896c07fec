"""Addresses of hosts."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.arena.errors import NetworkTaken
from autoloop.arena.network import Network

NET = Network("br", "10.77.9.0/24")


@given(st.sets(st.integers(11, 253)), st.integers(10, 253))
def test_an_address_is_free_and_in_the_network(taken: set[int], last: int) -> None:
    """Never one that is taken, nor the gateway."""
    addresses = {f"10.77.9.{number}" for number in taken}
    network = Network("br", "10.77.9.0/24", last)
    if len(taken) == 243:
        with pytest.raises(NetworkTaken, match="243 hosts have taken it all"):
            network.next_address(addresses)
        return
    _, address = network.next_address(addresses)
    assert address not in addresses | {network.gateway}
    assert ipaddress.ip_address(address) in ipaddress.ip_network("10.77.9.0/24")


def test_an_address_is_not_used_again_at_once() -> None:
    """Neighbours still know the old host under it."""
    network, first = NET.next_address(set())
    _, second = network.next_address(set())
    assert (first, second) == ("10.77.9.11", "10.77.9.12")
