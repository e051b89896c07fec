"""Throw-away hosts, and the platform at work on them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena.hosts import Host, up
from autoloop.arena.image import build
from autoloop.arena.product import Product

WELL = "curl -fsS --retry 40 --retry-all-errors --retry-delay 1 -o /dev/null 127.0.0.1/api/health"


@pytest.fixture(scope="module")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host of the module's own; its application is well."""
    name = request.module.__name__.rpartition(".")[2].replace("_", "-")
    with up(name, build()) as made:
        assert made.inside(WELL).ok
        yield made


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running platform, used through its command line and its API."""
    home: Path = tmp_path_factory.mktemp("platform") / "home"
    with Product(home) as made:
        yield made
