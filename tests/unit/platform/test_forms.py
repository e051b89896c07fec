"""Forms: what Prefect's UI asks for, and that the page about them is the one there is."""

from pathlib import Path
from typing import Any

import pytest
from prefect.utilities.schema_tools import ValidationError, validate

from autoloop.core.taxonomy import CLASSES, kinds_of
from autoloop.platform.deployments import declared, flow_of, schedules_of
from autoloop.platform.flows_page import page
from autoloop.platform.forms import form

ROWS = {row["name"]: row for row in declared()}
TROUBLE = [name for name, row in ROWS.items() if "trouble" in row["tags"]]


def filled(name: str, values: dict[str, Any], apps: tuple[str, ...] = ("shop",)) -> None:
    """Check *values* as the server does."""
    validate(values, form(flow_of(ROWS[name]), apps), raise_on_error=True)


@pytest.mark.parametrize("name", ROWS)
def test_every_field_has_a_title_and_a_description(name: str) -> None:
    """People fill it in, not programs."""
    for asked in form(flow_of(ROWS[name]), ())["properties"].values():
        assert asked["title"][0].isupper()
        assert asked["description"].endswith(".")


@pytest.mark.parametrize("name", TROUBLE)
def test_a_form_of_trouble_needs_an_application_only(name: str) -> None:
    """A class offers its kinds, to be left unknown; what flows hand on is no field."""
    filled(name, {"app": "shop"})
    asked = form(flow_of(ROWS[name]), ("shop",))
    assert asked["required"] == ["app"]
    assert asked["properties"]["app"]["enum"] == ["shop"]
    assert list(asked["properties"])[:2] == ["app", "seen"]
    assert "found" not in asked["properties"]
    if name.upper() in CLASSES:
        assert asked["properties"]["kind"]["enum"] == ["unknown", *kinds_of(name.upper())]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("database", {}),
        ("database", {"app": "nix"}),
        ("database", {"app": "shop", "kind": "token_expired"}),
        ("login", {"app": "shop", "username": "x" * 121}),
        ("health", {"apps": ["nix"]}),
        ("health", {"apps": "shop"}),
        ("deploy", {"app": "shop"}),
        ("deploy", {"app": "shop", "source": ""}),
        ("regression", {"rounds": 0}),
    ],
)
def test_what_cannot_be_is_refused_before_a_run(name: str, values: dict[str, Any]) -> None:
    """The UI says so at the field."""
    with pytest.raises(ValidationError):
        filled(name, values)


def test_without_applications_any_name_may_be_written() -> None:
    """An empty list of choices would be a form that nobody can send."""
    filled("database", {"app": "shop"}, apps=())


def test_front_door_and_adoption_take_what_their_forms_do_not_offer() -> None:
    """The run of an incident must never be refused because a form is behind, and no form knows the
    application that is about to be taken into care, or to come to a host."""
    loose = [name for name, row in ROWS.items() if not row.get("enforce_parameter_schema", True)]
    assert loose == ["remediate", "adopt", "install"]


def test_schedules_are_declared_by_cron_or_interval() -> None:
    """Each with the slug by which it is known."""
    [nightly] = schedules_of(ROWS["regression"])
    assert (nightly.slug, nightly.active) == ("nightly", False)
    often = {"schedules": [{"interval": 60, "slug": "often", "parameters": {"apps": ["shop"]}}]}
    [made] = schedules_of(often)
    assert made.active and made.parameters == {"apps": ["shop"]}


def test_the_page_of_the_flows_is_current() -> None:
    """Made again by: python -m autoloop.platform.flows_page > docs/reference/flows.md"""
    written = Path(__file__).parents[3] / "docs" / "reference" / "flows.md"
    assert written.read_text("utf-8") == page()
