"""A diagnosis with a text: the host outranks the words, and words alone choose no remedy."""

from typing import Any

from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose, informed, of_type
from autoloop.core.diagnosis import BENIGN, UNKNOWN, Cause, Diagnosis, Evidence

PASS, FAIL = CaseResult(name="c", passed=True), CaseResult(name="c", passed=False, why="500")


def said(name: str, confidence: float = 0.9) -> tuple[Cause, ...]:
    """What a text says."""
    seen = Evidence(source="text, line 1", excerpt="x")
    return (Cause(name=name, culprit="it", confidence=confidence, evidence=(seen,)),)


def of(*causes: tuple[str, str, float]) -> Diagnosis:
    """A diagnosis of the host."""
    found = [Cause(name=n, component=part, confidence=sure) for n, part, sure in causes]
    return Diagnosis(causes=tuple(found))


def names(diagnosis: Diagnosis) -> list[str]:
    """In order."""
    return [cause.name for cause in diagnosis.causes]


def test_a_healthy_host_stays_healthy(scenes: Any) -> None:
    """Whatever a text says, nothing follows."""
    well = diagnose(scenes.spec, scenes.facts(), (PASS,))
    assert well.top.name == BENIGN
    assert informed(well, said("SERVICE.disk_full")) == well


def test_a_broken_host_without_a_name_takes_the_texts(scenes: Any) -> None:
    """It is believed half, blames no component, and "unknown" stays behind it."""
    unnamed = diagnose(scenes.spec, scenes.facts(status=500), (FAIL,))
    assert unnamed.top.name == UNKNOWN
    found = informed(unnamed, said("DATABASE.schema_mismatch"))
    assert names(found) == ["DATABASE.schema_mismatch", UNKNOWN]
    assert (found.top.component, found.top.culprit, found.top.confidence) == ("", "it", 0.45)
    assert {e.excerpt for e in found.top.evidence} == {"x", "500"}


def test_what_the_host_shows_goes_before_what_the_text_says() -> None:
    """A text that says something else changes nothing."""
    shown = of(("SERVICE.service_down", "app", 0.8))
    assert informed(shown, said("LOGIN.token_expired")) == shown


def test_what_both_say_is_surer() -> None:
    """With the words as further evidence."""
    found = informed(of(("SERVICE.service_down", "app", 0.8)), said("SERVICE.service_down"))
    assert found.top.confidence == 0.89
    assert found.top.evidence[-1].source == "text, line 1"


def test_the_text_decides_between_findings_that_are_about_as_sure() -> None:
    """Of one component; not against a surer one, and not across components."""
    one, other = "CONFIG.invalid_config_file", "CONFIG.wrong_port"
    near = of((one, "app", 0.8), (other, "app", 0.8))
    assert names(informed(near, said(other))) == [other, one]
    for shown in (
        of((one, "app", 0.94), (other, "app", 0.7)),
        of((one, "app", 0.95), (other, "app", 0.9)),
        of((one, "db", 0.8), (other, "app", 0.8)),
    ):
        assert names(informed(shown, said(other))) == [one, other]
    down = "SERVICE.service_down"
    shown = of((one, "app", 0.9), (down, "app", 0.9))
    assert names(informed(shown, said(down))) == [one, down]


def test_a_guess_is_not_worth_naming() -> None:
    """Nor is "not an error"."""
    shown = of((UNKNOWN, "", 0.0))
    for nothing in (said("SERVICE.service_down", 0.2), said(BENIGN), ()):
        assert informed(shown, nothing) == shown


def test_a_type_that_was_told_makes_what_the_words_say_surer() -> None:
    """And puts it first; the user it is about is the culprit of a login."""
    words = (*said("SERVICE.timeout", 0.8), Cause(name="LOGIN.wrong_password", confidence=0.5))
    found = of_type(words, "LOGIN", {"username": "admin", "table": "users"})
    assert [c.name for c in found] == ["LOGIN.wrong_password", "SERVICE.timeout"]
    assert (found[0].confidence, found[0].culprit) == (0.75, "admin")
    assert found[0].evidence[-1] == Evidence(source="reported type", excerpt="LOGIN")
    assert of_type(words, "") == words


def test_a_full_name_counts_without_words_for_it_a_class_alone_does_not() -> None:
    """A class says not enough to name a cause."""
    assert of_type((), "LOGIN") == ()
    (made,) = of_type((), "DATABASE.slow_query_timeout")
    assert (made.name, made.confidence) == ("DATABASE.slow_query_timeout", 0.75)
