"""The format of faults: what is taken, and what is said about what is not."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.arena.errors import BadFault
from autoloop.arena.fault import load, parse

WHOLE = {
    "name": "disk-full",
    "class": "SERVICE",
    "subtype": "disk_full",
    "inject": "fallocate -l 1G /big",
    "healthy": "test ! -e /big",
    "keep": "true",
}


def toml(**keys: Any) -> str:
    """A fault's file with some keys changed; None leaves a key out."""
    pairs = {**WHOLE, **keys}
    return "\n".join(
        f"{key} = {as_toml(value)}" for key, value in pairs.items() if value is not None
    )


def as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | list) else f"'''{value}'''"


def test_a_fault_needs_only_six_keys() -> None:
    """Everything else has the default that the format names."""
    fault = parse(toml(), "disk-full")
    assert (fault.error_class, fault.profile, fault.told_by) == ("SERVICE", "sqlite", "watch")
    assert (fault.auto, fault.settle_s, fault.culprit, fault.also) == (True, 2, None, ())
    assert not fault.is_control


def test_class_none_is_a_control() -> None:
    """Nothing is to be done about it."""
    assert parse(toml(**{"class": "NONE"}), "disk-full").is_control


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inject": None}, "inject: missing"),
        ({"inject": "  "}, "inject: "),
        ({"class": "DISK"}, "class: Input should be 'DATABASE'"),
        ({"subtype": "Disk Full"}, "subtype: "),
        ({"settle": 3}, "settle: no such key"),
        ({"settle_s": -1}, "settle_s: Input should be greater than or equal to 0, not -1"),
        ({"also": ["crash_loop"]}, "also.0: "),
        ({"told_by": "report"}, "told_by is 'report', but report is empty"),
        ({"told_by": "rumour"}, "told_by: "),
        ({"name": "disk"}, "name is 'disk' - give it the name of the file"),
        ({"profile": "mysql"}, "profile: "),
        ({"auto": "perhaps"}, "auto: "),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], said: str) -> None:
    """The message names the file and the key, and what to do."""
    with pytest.raises(BadFault) as caught:
        parse(toml(**changes), "disk-full")
    assert str(caught.value).startswith("fault disk-full: ")
    assert said in str(caught.value)
    assert " - " in str(caught.value)


def test_broken_toml_is_said_with_its_line() -> None:
    """The parser's own place is kept."""
    with pytest.raises(BadFault, match=r"not TOML: .*line 2"):
        parse("name = 'x'\nclass = \n", "x")


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever the file holds, the answer is a fault or BadFault."""
    with pytest.raises(BadFault):
        parse(text, "x")


def test_names_choose_and_missing_names_are_told(tmp_path: Path) -> None:
    """An unknown name is an error that lists the known ones."""
    (tmp_path / "disk-full.toml").write_text(toml())
    (tmp_path / "other.toml").write_text(toml(name="other"))
    assert [fault.name for fault in load(tmp_path)] == ["disk-full", "other"]
    assert [fault.name for fault in load(tmp_path, ["other"])] == ["other"]
    with pytest.raises(BadFault, match=r"no nix - choose of \['disk-full', 'other'\]"):
        load(tmp_path, ["nix"])


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    """A mistyped folder is not a drill that went well."""
    with pytest.raises(BadFault, match=r"no \*\.toml there"):
        load(tmp_path)


@pytest.mark.parametrize("fault", load(), ids=lambda fault: fault.name)
class TestShipped:
    """Every fault that ships."""

    def test_can_be_checked_from_both_sides(self, fault: Any) -> None:
        """Two right repairs and three wrong ones; a control is right when left alone."""
        assert len(fault.good) >= (1 if fault.is_control else 2)
        assert len(fault.bad) >= 3
        assert len(set(fault.bad)) == len(fault.bad)

    def test_leaves_no_word_of_itself(self, fault: Any) -> None:
        """What it does on the host does not say that it is a drill."""
        told = fault.inject.lower().replace("/etc/default/", "")
        for word in ("arena", "drill", "fault", "autoloop", fault.name):
            assert word not in told

    def test_loses_nothing_in_parsing(self, fault: Any) -> None:
        """The model and the file have the same keys."""
        folder = Path(load.__code__.co_filename).parent / "faults"
        keys = tomllib.loads((folder / f"{fault.name}.toml").read_text()).keys()
        assert keys == {key for key in keys if key == "class" or hasattr(fault, key)}
