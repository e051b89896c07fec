"""Structure rules: each breach is told once, with its file; hostile files are only breaches."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from autoloop.core.rules import LARGEST, PARSERS, Rule, broken, wanted

APP = b"import os\nfrom a import b as c\n\nVERSION, x = 1, 2\nline: int = 3\n\n\ndef create():\n"
APP += b"    inner = 1\n\n\nclass Shop:\n    pass\n"


@pytest.mark.parametrize(
    ("rule", "name", "data", "said"),
    [
        ({"contains": ["create"]}, "app.py", APP, ()),
        ({"contains": ["destroy"]}, "app.py", APP, ("app.py: does not contain 'destroy'",)),
        ({"lacks": ["inner"]}, "app.py", APP, ("app.py: contains 'inner'",)),
        ({"defines": ["create", "Shop", "VERSION", "x", "line", "os", "c"]}, "app.py", APP, ()),
        ({"defines": ["inner", "b"]}, "app.py", APP,
         ("app.py: does not define inner", "app.py: does not define b")),
        ({"parses": True}, "a.py", b"def f(:\n", ("a.py: does not parse: line 1: invalid syntax",)),
        ({"defines": ["a.b"]}, "a.json", b'{"a": {"b": 1}}', ()),
        ({"parses": True}, "a.json", b"{", ("a.json: does not parse: line 1",)),
        ({"defines": ["tool.x"]}, "a.toml", b"[tool]\nx = 1\n", ()),
        ({"defines": ["tool.y"]}, "a.toml", b"[tool]\nx = 1\n", ("a.toml: does not define",)),
        ({"defines": ["a.b"]}, "a.yaml", b"a:\n  b: 1\n", ()),
        ({"parses": True}, "a.yml", b"a: [", ("a.yml: does not parse",)),
        ({"parses": True}, "a.yml", b"!!python/object/apply:os.system [id]", ("a.yml: does not",)),
        ({"defines": ["main.Port"]}, "a.ini", b"[main]\nPort = 1\n", ()),
        ({"parses": True}, "a.cfg", b"x = 1\n", ("a.cfg: does not parse",)),
        ({"defines": ["A"]}, "shop.env", b"# x\n\nexport A=1\n", ()),
        ({"parses": True}, "shop.env", b"A=1\noops\n", ("shop.env: does not parse: line 2",)),
        ({"parses": True}, "a.exe", b"", ("a.exe: a rule cannot read files that end in .exe",)),
        ({"contains": ["x"]}, "a.py", b"x" * (LARGEST + 1), ("a.py: is larger than",)),
    ],
)  # fmt: skip
def test_a_file_is_as_the_rule_says_or_why_not(
    rule: dict[str, Any], name: str, data: bytes, said: tuple[str, ...]
) -> None:
    """Contents, definitions, syntax; by the ending of the file."""
    told = broken([Rule(path=name, **rule)], {name: data})
    assert len(told) == len(said)
    for one, start in zip(told, said, strict=True):
        assert one.startswith(start)


def test_one_file_at_least_must_match() -> None:
    """A lost file breaks its rule; others are no matter."""
    rule = Rule(path="routes/*.py", lacks=("print(",))
    assert broken([rule], {"app.py": b"print(1)"}) == ("routes/*.py: there is no such file",)
    files = {"routes/a.py": b"print(1)", "routes/b.py": b""}
    assert broken([rule, rule], files) == ("routes/a.py: contains 'print('",)
    assert wanted([rule], [*files, "app.py"]) == ("routes/a.py", "routes/b.py")


@pytest.mark.parametrize(
    "rule", [{"path": "a.py"}, {"path": "", "parses": True}, {"path": "routes/*", "parses": True}]
)
def test_a_rule_that_says_nothing_is_none(rule: dict[str, Any]) -> None:
    """Neither what, nor of which kind of file."""
    with pytest.raises(ValidationError):
        Rule.model_validate(rule)


@given(data=st.binary(max_size=200), ending=st.sampled_from(sorted(PARSERS)))
def test_any_bytes_are_judged(data: bytes, ending: str) -> None:
    """Nothing that lies in a file is an error of ours."""
    rule = Rule(path=f"a.{ending}", parses=True, defines=("x",))
    assert isinstance(broken([rule], {f"a.{ending}": data}), tuple)


@pytest.mark.parametrize(("ending", "text"), [("py", "(" * 5000), ("json", "[" * 100_000)])
def test_what_is_nested_without_end_does_not_parse(ending: str, text: str) -> None:
    """And takes nobody down."""
    rule = Rule(path=f"a.{ending}", parses=True)
    (told,) = broken([rule], {f"a.{ending}": text.encode()})
    assert "does not parse" in told
