"""Reports: every fact in, nothing that acts."""

from typing import Any

import pytest
from markdown_it import MarkdownIt

from autoloop.core.diagnosis import BENIGN, Cause, Diagnosis, Evidence
from autoloop.core.effect import Effect
from autoloop.core.incident import Incident, State, Transition
from autoloop.core.plan import Plan
from autoloop.core.proof import Check, Proof
from autoloop.core.remedy import Proposal, Refusal
from autoloop.core.report import Report, Settled, markdown
from autoloop.core.words import Words

AT = "2026-01-02T03:04:05.000+00:00"
HOSTILE = "<script>alert(1)</script> | `x` *b* [l](http://e) \n# title\n\n---"


def report(word: str = "word", kept: bool | None = True) -> Report:
    """With one attempt, or none."""
    seen = Evidence(source="log", excerpt=word)
    cause = Cause(
        name="SERVICE.service_down", culprit="u", component="app", confidence=0.9, evidence=(seen,)
    )
    effect = Effect(kind="unit", subject=word, before="failed", after="running")
    offer = Proposal(
        remedy="start", why=Words(en=word, zh=word), actions=(), effects=(effect,), risk="low"
    )
    proof = Proof(checks=(Check(name=word, passed=bool(kept), why=word),), at=1767323055.0)
    attempts = () if kept is None else (Settled(remedy="start", proof=proof, kept=kept),)
    return Report(
        incident=Incident(id="i-1", app="shop", first_seen=AT),
        diagnosis=Diagnosis(causes=(cause,)),
        plan=Plan(
            incident="i-1",
            proposals=(offer,),
            rejected=(Refusal(remedy="other", why=Words(en=word, zh=word)),),
        ),
        attempts=attempts,
        timeline=(Transition(at=AT, state=State.OPEN, reason=word),),
    )


@pytest.mark.parametrize(
    ("kept", "en", "zh"),
    [
        (True, "repaired and proved", "已修复并验证"),
        (False, "a person is asked", "需要人工处理"),
        (None, "a person is asked", "需要人工处理"),
    ],
)
def test_the_title_says_how_it_ended(kept: bool | None, en: str, zh: str) -> None:
    """In both languages."""
    made = report(kept=kept)
    assert markdown(made).splitlines()[0].endswith(en)
    assert markdown(made, "zh").splitlines()[0].endswith(zh)
    assert made.repaired is bool(kept)


def test_nothing_to_repair_is_no_failure() -> None:
    """A false alarm reads as one."""
    benign = Diagnosis(causes=(Cause(name=BENIGN, confidence=1),))
    made = report(kept=None).model_copy(update={"diagnosis": benign})
    assert "nothing to repair" in markdown(made)
    assert "Nothing was changed." in markdown(made)


def test_seconds_count_from_the_first_word_to_the_proof() -> None:
    """None without a proof."""
    assert report().seconds_to_recover == 10.0
    assert report(kept=False).seconds_to_recover is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_of_a_host_acts_in_a_page(language: Any) -> None:
    """A log line is no HTML, no heading, no link, no column."""
    made = MarkdownIt("commonmark", {"html": False}).enable("table").render
    hostile, plain = (made(markdown(report(word), language)) for word in (HOSTILE, "word"))
    for mark in ("<h1", "<h2", "<h3", "<td", "<a ", "<hr", "<em", "<script"):
        assert hostile.count(mark) == plain.count(mark), mark


def test_a_report_survives_json() -> None:
    """It is read again from its file."""
    assert Report.model_validate_json(report().model_dump_json()) == report()
