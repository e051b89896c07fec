"""A suite of cases: what fails, what works again, what has become slower."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.case import Case, Reply, repeatable
from autoloop.core.errors import BadSpec
from autoloop.core.regression import Measured, Trial, compare, markdown, measure, summary

NOW = "2026-11-21T12:00:00.000+00:00"


def case(name: str, **more: Any) -> Case:
    """A case."""
    return Case(name=name, url=f"http://x/{name}", **more)


class Site:
    """Answers by the name in the url, and counts; a list gives one reply after the other."""

    def __init__(self, **replies: Any) -> None:
        self.replies, self.asked = replies, list[str]()

    def send(self, asked: Case) -> Reply:
        """The next."""
        name = asked.url.rsplit("/", 1)[1]
        self.asked.append(name)
        found = self.replies.get(name, {})
        row = found.pop(0) if isinstance(found, list) else found
        return Reply(**{"status": 200, "ms": 10.0, **row})


def suite(spec: AppSpec, *cases: Case, **limits: Any) -> AppSpec:
    """An application with these cases and limits."""
    document = spec.model_dump(mode="json") | {"limits": limits}
    document["cases"] = [one.model_dump(mode="json") for one in cases]
    return AppSpec.model_validate(document)


def trial(spec: AppSpec, *ms: float | None, before: Trial | None = None) -> Trial:
    """One run of the cases: the time of each, or None where it fails."""
    seen = tuple(
        Measured(name=c.name, passed=t is not None, ms=t or 1.0, why="" if t else "status 500")
        for c, t in zip(spec.cases, ms, strict=True)
    )
    return compare(spec, NOW, seen, before, before if before and before.ending != "fails" else None)


# ---- rounds


def test_the_median_of_the_rounds_counts() -> None:
    """One slow answer is none."""
    site = Site(a=[{"ms": 900.0}, {"ms": 12.0}, {"ms": 10.0}])
    assert measure((case("a", max_ms=50),), site, 3) == (Measured(name="a", passed=True, ms=12.0),)


def test_a_case_that_fails_now_and_then_fails() -> None:
    """And says how often."""
    site = Site(a=[{}, {"status": 500}, {}])
    (one,) = measure((case("a"),), site, 3)
    assert (one.passed, one.why) == (False, "status 500, expected 200 (1 of 3 rounds)")


def test_what_must_not_be_repeated_is_sent_once() -> None:
    """With what needs its answer; the rest is measured again."""
    order = case("order", method="POST", safe=False, capture={"number": "id"})
    cases = (case("a"), order, case("show", headers={"X": "{number}"}), case("b"))
    site = Site(order={"body": '{"id": 7}'})
    assert [m.name for m in measure(cases, site, 3)] == ["a", "order", "show", "b"]
    assert site.asked == ["a", "order", "show", "b", "a", "b", "a", "b"]


def test_an_application_that_is_silent_is_asked_once() -> None:
    """Further rounds would only wait as well."""
    site = Site(a={"status": 0, "error": "refused"})
    assert not measure((case("a"),), site, 5)[0].passed
    assert site.asked == ["a"]


def test_cases_of_one_name_are_told_apart() -> None:
    """Otherwise one would hide the other."""
    assert [m.name for m in measure((case("a"), case("a")), Site(), 1)] == ["a", "a #2"]


# ---- looks


def test_looks_leave_out_what_must_not_be_repeated() -> None:
    """Everything else is sent at every look, as before, whatever its method."""
    login = case("login", method="POST", capture={"token": "t"})
    order = case("order", safe=False, capture={"id": "id"})
    after = case("after", body={"deep": ["{id}"]})
    chain = case("chain", headers={"A": "{token}"})
    kept = repeatable((login, order, after, chain))
    assert [one.name for one in kept] == ["login", "chain"]


def test_the_first_case_decides_at_every_look_so_it_is_safe(spec: AppSpec) -> None:
    """Else nobody could say whether the application is up."""
    from autoloop.core.app import parse_app

    document = spec.model_dump(mode="json")
    document["cases"][0]["safe"] = False
    with pytest.raises(BadSpec, match="'health' is the first"):
        parse_app(document, "autoloop.toml")


# ---- comparison


def test_each_case_is_held_against_the_run_before(spec: AppSpec) -> None:
    """Failing anew, still, and no longer."""
    app = suite(spec, case("a"), case("b"), case("c"))
    before = trial(app, 10, None, None)
    assert [r.verdict for r in before.rows] == ["passes", "newly failing", "newly failing"]
    after = trial(app, None, None, 10, before=before)
    assert [r.verdict for r in after.rows] == ["newly failing", "still failing", "newly passing"]
    assert (before.ending, after.ending) == ("fails", "fails")
    assert summary(after) == "3 cases: 1 newly failing, 1 still failing, 1 newly passing"


@pytest.mark.parametrize(
    ("good", "now", "slower"),
    [(10, 60, False), (10, 109.9, False), (10, 110, True), (200, 390, False), (200, 401, True)],
)
def test_slower_is_both_many_times_and_many_milliseconds(
    spec: AppSpec, good: float, now: float, slower: bool
) -> None:
    """A few milliseconds are noise, and so is a little of much."""
    app = suite(spec, case("a"), slower_times=2, slower_ms=100)
    after = trial(app, now, before=trial(app, good))
    assert after.ending == ("slower" if slower else "passes")
    assert (after.rows[0].good_ms, after.rows[0].passed) == (good, True)
    if slower:
        assert after.rows[0].why == f"took {now:.0f} ms, {good:.0f} ms in the last good run"


def test_the_budget_of_a_case_counts_without_any_earlier_run(spec: AppSpec) -> None:
    """A case that is too slow is slower, not failing."""
    app = suite(spec, case("a", max_ms=50))
    first = trial(app, 51)
    assert (first.ending, first.rows[0].why) == ("slower", "took 51 ms, allowed 50 ms")


def test_a_failure_outweighs_what_is_slower(spec: AppSpec) -> None:
    """The worst is told."""
    assert trial(suite(spec, case("a", max_ms=5), case("b")), 9, None).ending == "fails"


def test_a_case_that_was_taken_away_is_named(spec: AppSpec) -> None:
    """Nobody removes a failing case unnoticed."""
    before = trial(suite(spec, case("a"), case("b")), 1, 1)
    after = trial(suite(spec, case("a")), 1, before=before)
    assert after.gone == ("b",)
    assert "no longer there: b" in summary(after)


def test_markdown_of_a_trial_acts_on_nothing(spec: AppSpec) -> None:
    """Names and reasons are text."""
    shown = markdown(trial(suite(spec, case("<b>|x")), None))
    assert "<b>" not in shown
    assert "newly failing: status 500" in shown
