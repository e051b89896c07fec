"""The report: readable as text, and harmless whatever a host has put into it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from autoloop.core.diagnosis import BENIGN, Cause, Diagnosis, Evidence
from autoloop.core.effect import Effect
from autoloop.core.incident import Incident, State, Transition
from autoloop.core.plan import Plan
from autoloop.core.proof import Check, Proof
from autoloop.core.remedy import Proposal, Refusal
from autoloop.core.report import Report, Settled, markdown
from autoloop.core.words import Words

NASTY = st.text(alphabet="<>&`*_[]()|\\~!#-\n\t ab1/:=\"'", max_size=60)
TAGS = {
    "h1", "h2", "h3", "p", "ol", "ul", "li", "strong", "code", "pre", "table", "thead", "tbody",
    "tr", "th", "td",
}  # fmt: skip


def report(text: str = "plain", passed: bool = True) -> Report:
    """A report of one attempt in which *text* stands wherever a host's words may stand."""
    effect = Effect(kind="file", subject=f"/{text}", before="0" * 64, after=text)
    words = Words(en=text)
    check = Check(name=text, passed=passed, why=text)
    cause = Cause(
        name="CONFIG.env_missing",
        culprit=text,
        component="app",
        confidence=0.97,
        evidence=(
            Evidence(source=text, excerpt=text),
            Evidence(source="log", excerpt="x\n" + text),
        ),
    )
    return Report(
        incident=Incident(id="i-1", app="shop", first_seen="2026-01-01T00:00:00.000+00:00"),
        diagnosis=Diagnosis(causes=(cause,)),
        plan=Plan(
            incident="i-1",
            proposals=(
                Proposal(remedy="restore", why=words, actions=(), effects=(effect,), risk="low"),
            ),
            rejected=(Refusal(remedy="other", why=words),),
        ),
        attempts=(
            Settled(remedy="restore", proof=Proof(checks=(check,), at=1767225612.5), kept=passed),
        ),
        timeline=(
            Transition(at="2026-01-01T00:00:00.000+00:00", state=State.OPEN, reason=text),
            Transition(at="2026-01-01T00:00:02.500+00:00", state=State.DIAGNOSING, reason=text),
        ),
    )


def rendered(text: str) -> str:
    """As the HTML report renders it."""
    return MarkdownIt("commonmark", {"html": False}).enable("table").render(text)


def test_a_report_says_how_long_it_took() -> None:
    """The head has the time to recovery; the timeline the time since the first word."""
    text = markdown(report())
    assert "2026-01-01 00:00:00 UTC · well again after 12.5 s" in text
    assert "| 2026-01-01 00:00:02 | 2.5 s | diagnosing | plain |" in text


def test_names_stay_readable_as_text() -> None:
    """No escapes inside of words: the terminal and the Prefect UI show the text as it is."""
    text = markdown(report("DATABASE_URL in /etc/my_app.env"))
    assert text.count("DATABASE_URL in /etc/my_app.env") == 11
    assert "&#" not in text


def test_hashes_of_contents_are_short() -> None:
    """Twelve digits tell two contents apart; sixty-four fill the line."""
    assert "0" * 12 + " →" in markdown(report())
    assert "0" * 13 not in markdown(report())


def test_why_has_a_column_only_when_something_failed() -> None:
    """A proof that holds has no reasons to show."""
    assert "Why not" not in markdown(report())
    assert "Why not" in markdown(report(passed=False))


@given(NASTY)
def test_nothing_of_a_host_becomes_markup(text: str) -> None:
    """Whatever a log says, it stays text: the same elements as with harmless words."""
    plain, nasty = rendered(markdown(report("x"))), rendered(markdown(report(text)))
    found = set(re.findall(r"</?([a-z0-9]+)[^>]*>", nasty))
    assert found <= TAGS
    assert nasty.count("<tr") == plain.count("<tr")
    assert nasty.count("<td") == plain.count("<td")
    assert nasty.count("<h2") == plain.count("<h2")
    assert "<a " not in nasty
    assert "<em" not in nasty


@given(NASTY)
def test_a_report_can_be_written_in_both_languages(text: str) -> None:
    """No text makes it fail."""
    assert markdown(report(text), "zh").startswith("# shop: CONFIG.env_missing")


@pytest.mark.parametrize(
    ("passed", "en", "zh"),
    [(True, "repaired and proved", "已修复并验证"), (False, "a person is asked", "需要人工处理")],
)
def test_the_title_says_how_it_ended(passed: bool, en: str, zh: str) -> None:
    """In both languages."""
    made = report(passed=passed)
    assert markdown(made).splitlines()[0].endswith(en)
    assert markdown(made, "zh").splitlines()[0].endswith(zh)
    assert made.repaired is passed


def test_a_false_alarm_reads_as_one() -> None:
    """Nothing to repair, nothing changed."""
    benign = Diagnosis(causes=(Cause(name=BENIGN, confidence=1),))
    text = markdown(report().model_copy(update={"diagnosis": benign, "attempts": ()}))
    assert "nothing to repair" in text
    assert "Nothing was changed." in text


def test_a_report_survives_json() -> None:
    """It is read again from its file."""
    assert Report.model_validate_json(report().model_dump_json()) == report()
