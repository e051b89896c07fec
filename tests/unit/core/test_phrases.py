"""Every sentence that is stored in English has its Chinese."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.case import Case, Reply, judge
from autoloop.core.phrases import CATALOGUE, translated

ROOT = Path(__file__).parents[3]
PLACES = ["tasks", "autoloop/platform", "autoloop/ledger", "autoloop/core"]
STORED = {"move": 2, "note": 1, "_note": 2}
KEPT = {"Evidence": ("source", "excerpt"), "Check": ("name", "why")}
WORDS = re.compile(r"[A-Za-z]{2,}")


def said(node: ast.expr, known: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The sentences that an expression may be, with ``{}`` where words vary."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        yield "".join(parts)
    elif isinstance(node, ast.IfExp):
        yield from said(node.body, known)
        yield from said(node.orelse, known)
    elif isinstance(node, ast.Name):
        for value in known.pop(node.id, ()):
            yield from said(value, known)


def kept(call: ast.Call) -> Iterator[ast.expr]:
    """What of a call is stored and shown to people."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if name in STORED and len(call.args) > STORED[name]:
        yield call.args[STORED[name]]
    for word in call.keywords:
        if word.arg in KEPT.get(name, ()):
            yield word.value


def sentences() -> set[tuple[str, str]]:
    """All of them, each with its file."""
    found = set()
    for path in (p for place in PLACES for p in (ROOT / place).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
            known: dict[str, list[ast.expr]] = {}
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    known.setdefault(node.targets[0].id, []).append(node.value)
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                for each in (s for a in kept(call) for s in said(a, dict(known))):
                    found.add((path.name, each))
    return found


def test_every_stored_sentence_is_in_the_catalogue() -> None:
    """Add what is missing to CATALOGUE in autoloop/core/phrases.py."""
    found = sentences()
    assert len(found) > 40
    without = {(file, s) for file, s in found if WORDS.search(s) and translated(s, "zh") == s}
    assert without == set()


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("reported through the command line by root", "由 root 通过命令行报告"),
        (
            "start_service was put back: case health: no answer: timed out",
            "start_service 已回滚：用例 health：无响应：超时",
        ),
        ("its risk is medium; production allows none without a person: autoloop approve i-1",
         "风险为 medium；环境 production 无人批准时最多允许 none：autoloop approve i-1"),
        ("an error of somebody else", "an error of somebody else"),
    ],
)  # fmt: skip
def test_sentences_within_sentences_are_translated(english: str, chinese: str) -> None:
    """What is none of ours stays."""
    assert translated(english, "zh") == chinese
    assert translated(english, "en") == english


@pytest.mark.parametrize(
    ("case", "reply"),
    [
        ({}, Reply(error="timed out")),
        ({}, Reply(status=500)),
        ({"max_ms": 1}, Reply(status=200, ms=9)),
        ({"min_length": 9}, Reply(status=200)),
        ({"contains": "x"}, Reply(status=200)),
        ({"json_equals": {"a": 1}}, Reply(status=200)),
    ],
)
def test_every_complaint_about_a_case_has_its_chinese(
    case: dict[str, object], reply: Reply
) -> None:
    """Whatever it is."""
    why = judge(Case.model_validate({"name": "c", "url": "http://x", **case}), reply).why
    assert why
    assert re.search(r"[\u4e00-\u9fff]", translated(why, "zh"))


@given(st.text(max_size=200), st.sampled_from(sorted(CATALOGUE)))
def test_any_text_can_be_translated(text: str, template: str) -> None:
    """Braces and all."""
    assert isinstance(translated(text, "zh"), str)
    assert isinstance(translated(template.replace("{}", text), "zh"), str)


def test_words_for_people_have_both_languages() -> None:
    """Wherever they are written down; nothing at all needs none."""
    without = []
    for folder in ("autoloop", "tasks", "flows"):
        for path in (ROOT / folder).rglob("*.py"):
            for call in (n for n in ast.walk(ast.parse(path.read_text())) if _is_words(n)):
                given = {word.arg: word.value for word in call.keywords}
                if "zh" not in given and ast.unparse(given["en"]) != "''":
                    without.append(f"{path.name}:{call.lineno}")
    assert without == []


def _is_words(node: ast.AST) -> TypeGuard[ast.Call]:
    return (
        isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "Words"
        and any(word.arg == "en" for word in node.keywords)
    )
