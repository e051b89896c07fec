"""Values that must be so, in files, processes and databases."""

from typing import Any

import pytest
from pydantic import ValidationError

from autoloop.core.app import AppSpec, parse_app
from autoloop.core.errors import BadSpec
from autoloop.core.expected import Expected, found_in, reads_of
from autoloop.core.target import Answer

FILE = Expected(value="60", file="/etc/shop.env", key="TTL")
PROCESS = Expected(value="60", component="app", key="TTL")
ROW = Expected(value="1", sqlite="/srv/shop.db", query="select on from flags")


@pytest.mark.parametrize(
    ("one", "value", "found"),
    [
        (FILE, {"text": "TTL='60'\n"}, "60"),
        (FILE, {"text": "OTHER=1\n"}, None),
        (PROCESS, {"text": "A=1\0TTL=60\0"}, "60"),
        (PROCESS, {"text": "A=1\0"}, None),
        (ROW, {"value": "1"}, "1"),
        (ROW, {"value": None}, None),
    ],
)
def test_the_value_is_found(one: Expected, value: dict[str, Any], found: str | None) -> None:
    """Each where it is."""
    assert found_in(one, Answer(ok=True, value=value)) == found
    assert found_in(one, Answer(ok=False, error="x")) is None


def test_each_is_asked_in_one_batch() -> None:
    """A process by its number."""
    reads = reads_of([FILE, PROCESS, ROW], {"app": 7})
    assert [r.op for r in reads] == ["file", "file", "sqlite"]
    assert [r.args["path"] for r in reads] == ["/etc/shop.env", "/proc/7/environ", "/srv/shop.db"]


def test_what_is_wrong_is_told_without_secrets() -> None:
    """Both values, unless the name says that it is secret."""
    assert FILE.says("60") == ""
    assert FILE.says("5") == "/etc/shop.env#TTL is '5', must be '60'"
    assert FILE.says(None) == "/etc/shop.env#TTL is missing, must be '60'"
    secret = Expected(value="hunter2", file="/etc/shop.env", key="DB_PASSWORD")
    assert "hunter" not in secret.says("hunter3")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"key": "A"}, "name one of"),
        ({"file": "/a", "sqlite": "/b", "key": "A"}, "name one of"),
        ({"file": "/a"}, "needs key"),
        ({"sqlite": "/a", "key": "A"}, "needs query"),
        ({"component": "app", "key": "A", "correct": True}, "what its settings file says"),
        ({"sqlite": "/a", "query": "q", "correct": True}, "by the statement in set"),
        ({"file": "/a", "key": "A", "set": "x"}, "by the statement in set"),
    ],
)
def test_what_could_mean_two_things_is_refused(document: dict[str, Any], said: str) -> None:
    """With what is missing."""
    with pytest.raises(ValidationError) as caught:
        Expected.model_validate({"value": "1", **document})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("one", "said"),
    [
        ({"component": "nix", "key": "A"}, "no component 'nix'"),
        ({"file": "/srv/shop/app/a.env", "key": "A"}, "is code: make it a rule"),
        ({"file": "a.env", "key": "A"}, "is not an absolute path"),
        ({"sqlite": "/x.db", "query": "q", "set": "s", "correct": True}, "is not in data.sqlite"),
    ],
)
def test_an_application_declares_only_what_is_its_own(
    spec: AppSpec, one: dict[str, Any], said: str
) -> None:
    """What could not be put back is refused."""
    document = spec.model_dump(mode="json") | {"deploy": {"expect": [{"value": "1", **one}]}}
    with pytest.raises(BadSpec) as caught:
        parse_app(document, "shop.toml")
    assert said in str(caught.value)
