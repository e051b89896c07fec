"""What is written down of the API is so: its OpenAPI document, and the page about it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI

from autoloop.core import errors
from autoloop.core.errors import AutoloopError
from autoloop.doors.api import STATUS, build
from autoloop.doors.shapes import WHEN, NewIncident
from autoloop.ledger.store import Ledger

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/api.md").read_text("utf-8")
RANGES = {1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000}
OPEN = "/healthz"


@pytest.fixture
def api(book: Ledger, home: Path) -> FastAPI:
    """The API of an empty platform."""
    return build(book, "t", home / "reports", lambda: None)


def kinds() -> list[type[AutoloopError]]:
    """Every named error."""
    found = (one for one in vars(errors).values() if isinstance(one, type))
    return [one for one in found if issubclass(one, AutoloopError) and one is not AutoloopError]


def operations(api: FastAPI) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Path, method and entry of each call."""
    for path, entry in api.openapi()["paths"].items():
        for method, operation in entry.items():
            yield path, method.upper(), operation


def test_every_call_is_described(api: FastAPI) -> None:
    """A sentence, a tag, its answer, and its refusals by the one shape that they all have."""
    for path, method, entry in operations(api):
        place = f"{method} {path}"
        assert entry.get("description"), place
        assert entry.get("tags"), place
        good = [status for status in entry["responses"] if status.startswith("2")]
        assert len(good) == 1, place
        wrong = set(entry["responses"]) - set(good)
        assert {int(status) for status in wrong} <= set(WHEN), place
        assert path == OPEN or "401" in wrong, place
        for status in wrong:
            shape = entry["responses"][status]["content"]["application/json"]["schema"]
            assert shape == {"$ref": "#/components/schemas/Wrong"}, place
        assert path == OPEN or entry["security"] == [{"HTTPBearer": []}], place


def test_every_shape_has_a_description_and_an_example_that_is_one(api: FastAPI) -> None:
    """It can be sent, or could be answered, as it stands."""
    from autoloop.doors import shapes

    for name, schema in api.openapi()["components"]["schemas"].items():
        assert schema.get("description"), name
        for example in schema.get("examples", []):
            getattr(shapes, name).model_validate(example)
    taken = {"NewIncident", "Decision", "NewRun"}
    assert all(api.openapi()["components"]["schemas"][name]["examples"] for name in taken)


def test_the_page_names_every_call_and_no_other(api: FastAPI) -> None:
    """By method and path."""
    names = {"{number}": "ID", "{ending}": "ENDING", "{deployment}": "DEPLOYMENT"}
    there = set()
    for path, method, _ in operations(api):
        for slot, name in names.items():
            path = path.replace(slot, name)
        there.add(f"{method} {path}")
    assert set(re.findall(r"^\| `([A-Z]+ /\S+)` \|", PAGE, re.M)) == there


def test_the_page_names_every_error_every_range_and_every_status() -> None:
    """With the code that it has."""
    told = {name: int(code) for code, name in re.findall(r"^\| (\d{4}) \| `(\w+)` \|", PAGE, re.M)}
    assert told == {kind.__name__: kind.code for kind in kinds()}
    assert {kind.code // 1000 * 1000 for kind in kinds()} <= RANGES
    assert {int(n) for n in re.findall(r"^\| (\d000) to", PAGE, re.M)} == RANGES
    statuses = {int(status) for status in re.findall(r"^\| (\d{3}) \|", PAGE, re.M)}
    assert {*WHEN, *STATUS.values()} <= statuses


def test_codes_are_unique_and_stand_in_the_tree_of_errors() -> None:
    """One code is one error."""
    codes = [kind.code for kind in kinds()]
    assert len(codes) == len(set(codes))
    for kind in kinds():
        assert re.search(rf"{kind.__name__} \(\w+\) +{kind.code}\b", errors.__doc__ or "")


def test_the_page_names_every_field_and_every_deployment() -> None:
    """Of a report; and what may be run."""
    assert [name for name in NewIncident.model_fields if f"`{name}`" not in PAGE] == []
    rows = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert [row["name"] for row in rows if f"`{row['name']}`" not in PAGE] == []
