"""The report: readable as text, and harmless whatever a host has put into it."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose
from autoloop.core.diagnosis import BENIGN, Cause, Diagnosis, Evidence
from autoloop.core.difference import Change
from autoloop.core.effect import Effect
from autoloop.core.facts import SettingsDrift
from autoloop.core.impact import Endpoint, Traffic
from autoloop.core.incident import Incident, State, Transition
from autoloop.core.outage import Outage, Reason
from autoloop.core.plan import Plan
from autoloop.core.proof import Check, Proof
from autoloop.core.remedy import Proposal, Refusal
from autoloop.core.report import Report, Settled
from autoloop.core.runbook import to_decide, to_look, to_undo
from autoloop.core.telling import markdown, proposed
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
        outage=Outage(
            component="app",
            reasons=(Reason(cause=cause, words=words),),
            before=(Evidence(source=text, at="2026-01-01T00:00:00+00:00", excerpt=text),),
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
    assert text.count("DATABASE_URL in /etc/my_app.env") == 16
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


def whole(state: State, scenes: Any) -> Report:
    """A report in which everything is told that there is to tell, in the product's own words."""
    gone = SettingsDrift(missing=("PORT",))
    down = {"activity": "failed", "pid": 0, "result": "exit-code", "log": "KeyError: 'PORT'"}
    traffic = Traffic(
        requests=40, failed=30, writes_failed=2, clients=9, clients_failed=7,
        begins="2026-01-01T00:00:00+00:00", ends="2026-01-01T00:00:09+00:00",
        since="2025-12-31T23:59:50+00:00", last_good="2025-12-31T23:59:49+00:00",
        endpoints=(Endpoint(name="GET /a", requests=9, failed=9, since="2026-01-01T00:00:01+00:00",
                            failing=True),),
    )  # fmt: skip
    facts = scenes.facts(app=down, drift=(scenes.drift("/etc/shop.env", gone),), status=502)
    facts = facts.model_copy(update={"traffic": traffic})
    case = CaseResult(name="health", passed=False, why="status 502, expected 200")
    found = diagnose(scenes.spec, facts, (case,), "2026-01-01T00:00:00+00:00")
    made, attempt = report("x"), report("x", passed=False).attempts[0]
    incident = made.incident.model_copy(
        update={"state": state, "fields": {"type": "LOGIN"}, "text": "密码错误", "events": 3}
    )
    words = Words(en="it changed since all was well", zh="自正常状态后被修改")
    proposal = made.plan.proposals[0].model_copy(update={"why": words})
    refusal = Refusal(remedy="other", why=words, person=True)
    reasons = ("reported through the API", "diagnosis: CONFIG.env_missing PORT", "x is proved")
    asked = state in (State.ASKED, State.AWAITING_APPROVAL)
    return made.model_copy(
        update={
            "incident": incident,
            "diagnosis": found,
            "plan": made.plan.model_copy(update={"proposals": (proposal,), "rejected": (refusal,)}),
            "attempts": () if asked else (attempt, made.attempts[0]),
            "timeline": tuple(
                made.timeline[0].model_copy(update={"reason": reason}) for reason in reasons
            ),
            "changes": (Change(remedy="restore", path="/etc/shop.env", lines=("-a", "+b")),),
            "look": to_look(scenes.spec, found),
            "decide": to_decide(scenes.spec, incident),
            "undo": to_undo(scenes.spec, proposal, "b-1"),
        }
    )


STATES = (State.CLOSED, State.ASKED, State.AWAITING_APPROVAL)


@pytest.mark.parametrize("state", STATES)
def test_no_english_sentence_is_left_in_a_chinese_report(state: State, scenes: Any) -> None:
    """Names, commands and what a host said stay; they stand as code."""
    text = markdown(whole(state, scenes), "zh")
    text = re.sub(r"~~~.*?~~~", lambda block: "\n".join(re.findall(r"^# .*", block[0], re.M)),
                  text, flags=re.S)  # fmt: skip
    text = re.sub(r"`[^`\n]*`", "", text)
    assert re.findall(r"[A-Za-z]{3,} [A-Za-z]{2,} [A-Za-z]+", text) == []


def test_a_report_tells_who_notices_and_since_when(scenes: Any) -> None:
    """Figures of the access log, in the head and under impact."""
    text = markdown(whole(State.CLOSED, scenes))
    assert "noticed after 10.0 s · well again after 12.5 s" in text
    assert "- failed requests: 30 of 40 (75%), 00:00:00 to 00:00:09 UTC" in text
    assert "- clients affected: 7 of 9" in text
    assert "- since: 2025-12-31 23:59:50 UTC" in text
    assert "- severity: P0 — app does not serve" in text
    assert "- data at risk: 2 requests that write something failed" in text
    assert "| GET /a | 9 | 9 | 00:00:01 |" in text
    assert "reported through the API (reported 3 times)" in text


def test_a_report_shows_what_changed_and_how_to_undo_it(scenes: Any) -> None:
    """Line by line; with the command."""
    text = markdown(whole(State.CLOSED, scenes))
    assert "~~~diff\n-a\n+b\n~~~" in text
    assert "autoloop restore b-1 --app shop" in text
    assert "## What to do now" not in text


def test_who_is_asked_is_told_what_to_type(scenes: Any) -> None:
    """To look, and to decide; the plan that waits is shown."""
    text = markdown(whole(State.AWAITING_APPROVAL, scenes))
    for line in (
        "systemctl status --no-pager app.service",
        "journalctl -u app.service -n 100 --no-pager",
        "ss -ltnp 'sport = :8080'",
        "curl -i -m 5 http://127.0.0.1/health",
        "autoloop approve i-1 --reject",
        "autoloop restore good --app shop",
    ):
        assert line in text.splitlines()
    assert "## What is planned" in text
    assert text.index("## What to do now") < text.index("## Root cause")


def test_a_report_of_an_outage_has_both_parts() -> None:
    """What restored service, and why it went down; or that nothing tells why."""
    made = report()
    down = made.diagnosis.model_copy(update={"severity": "P0"})
    made = made.model_copy(update={"diagnosis": down})
    text = markdown(made)
    assert text.index("## What restored service") < text.index("## Why it went down")
    assert "| 2026-01-01 00:00:00 | plain | plain |" in text
    silent = made.model_copy(update={"outage": Outage(component="app")})
    assert "Nothing on the host tells why." in markdown(silent)
    assert "中断原因" in markdown(silent, "zh")
    failed = made.model_copy(update={"outage": Outage(error="host: gone - wait")})
    assert "host: gone - wait" in markdown(failed)
    assert "went down" not in markdown(made.model_copy(update={"outage": None}))


def test_a_second_attempt_shows_its_own_effects() -> None:
    """Two proposals of one remedy differ in what they change."""
    made = report()
    other = Effect(kind="unit", subject="app.service", before="stopped", after="running")
    second = made.plan.proposals[0].model_copy(update={"effects": (other,)})
    plan = made.plan.model_copy(update={"proposals": (*made.plan.proposals, second)})
    both = made.model_copy(update={"plan": plan, "attempts": made.attempts * 2})
    assert markdown(both).count("- unit `app.service`: stopped → running") == 1


@given(NASTY)
def test_what_a_person_is_asked_to_approve_is_harmless_too(text: str) -> None:
    """It stands in a dialog of the Prefect UI."""
    html = rendered(proposed(report(text)))
    assert set(re.findall(r"<([a-z]+[0-9]?)\b", html)) <= TAGS
