"""What a form was filled with, as fields of a report."""

import pytest

from autoloop.core.incident import request_of
from autoloop.core.taxonomy import BLAMED, CLASSES, kinds_of
from autoloop.core.told import told


def test_fields_that_were_left_empty_are_left_out() -> None:
    """What nobody said is no field; a kind makes a full name of the class."""
    filled = told("DATABASE", "shop", "no such table", "unknown", table=" ")
    assert filled.fields == {"type": "DATABASE"}
    assert told("LOGIN", "shop", "", "token_expired", username="lan").fields == {
        "type": "LOGIN.token_expired",
        "username": "lan",
    }


@pytest.mark.parametrize("error_class", CLASSES)
def test_every_kind_that_forms_offer_is_a_type_that_reports_take(error_class: str) -> None:
    """And each class says what is to blame by one field."""
    assert error_class in BLAMED
    for kind in kinds_of(error_class):
        fields = told(error_class, "shop", "", kind).fields
        assert request_of("shop", "", fields=fields).fields["type"] == f"{error_class}.{kind}"
