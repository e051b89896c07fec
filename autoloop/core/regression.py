"""Regression: an application's cases as a suite, held against the runs before."""

from collections import Counter
from statistics import median
from typing import Literal

from autoloop.core.app import AppSpec, Limits
from autoloop.core.case import Case, CaseResult, CaseRunner, repeatable, run_cases
from autoloop.core.markdown import plain, table
from autoloop.core.words import Frozen

Verdict = Literal["passes", "newly passing", "slower", "newly failing", "still failing"]
Ending = Literal["passes", "slower", "fails"]


class Measured(Frozen):
    """One case over all rounds: it passed if every round did; *ms* is the median."""

    name: str
    passed: bool
    ms: float = 0.0
    why: str = ""


class Row(Measured):
    """The same, held against earlier runs. *good_ms* is the median of the last good run."""

    verdict: Verdict
    good_ms: float | None = None


class Trial(Frozen):
    """One run of an application's cases, or in *error* why there was none.

    *gone* are the cases of the last good run that the application does not have any more.
    """

    app: str
    at: str
    ending: Ending
    rows: tuple[Row, ...] = ()
    gone: tuple[str, ...] = ()
    kept: bool = True
    error: str = ""

    def verdict_of(self, name: str) -> Row | None:
        """What became of the case called *name*, if it was run."""
        return next((row for row in self.rows if row.name == name), None)


class Regression(Frozen):
    """The trials of all applications that were asked for."""

    trials: tuple[Trial, ...]


def measure(cases: tuple[Case, ...], runner: CaseRunner, rounds: int) -> tuple[Measured, ...]:
    """Run *cases* in so many rounds. What must not be repeated is sent in the first one only.

    An application of which nothing answers is not asked again.
    """
    asked = _labelled(cases)
    seen: dict[str, list[CaseResult]] = {case.name: [] for case in asked}
    for number in range(rounds):
        results = run_cases(asked if number == 0 else repeatable(asked), runner)
        for result in results:
            seen[result.name].append(result)
        if all(result.status == 0 for result in results):
            break
    return tuple(_over_rounds(name, results) for name, results in seen.items())


def _labelled(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """Cases that share a name are told apart; how long one took is judged over all rounds."""
    met: Counter[str] = Counter()
    made = []
    for case in cases:
        met[case.name] += 1
        name = case.name if met[case.name] == 1 else f"{case.name} #{met[case.name]}"
        made.append(case.model_copy(update={"name": name, "max_ms": None}))
    return tuple(made)


def _over_rounds(name: str, results: list[CaseResult]) -> Measured:
    failed = [result for result in results if not result.passed]
    why = failed[0].why if failed else ""
    if failed and len(failed) < len(results):
        why = f"{why} ({len(failed)} of {len(results)} rounds)"
    times = [result.ms for result in (failed or results)]
    return Measured(name=name, passed=not failed, ms=round(median(times), 1), why=why)


def compare(
    spec: AppSpec, at: str, now: tuple[Measured, ...], newest: Trial | None, good: Trial | None
) -> Trial:
    """Hold what was measured against the newest run before it and the last good one."""
    rows = tuple(
        _row(spec.limits, case, one, newest, good)
        for case, one in zip(spec.cases, now, strict=True)
    )
    names = {row.name for row in rows}
    return Trial(
        app=spec.name,
        at=at,
        ending=_ending(rows),
        rows=rows,
        gone=tuple(row.name for row in good.rows if row.name not in names) if good else (),
    )


def _row(
    limits: Limits, case: Case, one: Measured, newest: Trial | None, good: Trial | None
) -> Row:
    before = newest.verdict_of(one.name) if newest else None
    best = good.verdict_of(one.name) if good else None
    good_ms = best.ms if best else None
    failed_before = before is not None and not before.passed
    verdict: Verdict = "newly passing" if failed_before else "passes"
    why = one.why
    if not one.passed:
        verdict = "still failing" if failed_before else "newly failing"
    elif slow := _slow(limits, case, one.ms, good_ms):
        verdict, why = "slower", slow
    return Row(
        name=one.name, passed=one.passed, ms=one.ms, why=why, verdict=verdict, good_ms=good_ms
    )


def _slow(limits: Limits, case: Case, ms: float, good_ms: float | None) -> str:
    if case.max_ms is not None and ms > case.max_ms:
        return f"took {ms:.0f} ms, allowed {case.max_ms:.0f} ms"
    if good_ms is None:
        return ""
    if ms > good_ms * limits.slower_times and ms >= good_ms + limits.slower_ms:
        return f"took {ms:.0f} ms, {good_ms:.0f} ms in the last good run"
    return ""


def _ending(rows: tuple[Row, ...]) -> Ending:
    if any(not row.passed for row in rows):
        return "fails"
    return "slower" if any(row.verdict == "slower" for row in rows) else "passes"


def summary(trial: Trial) -> str:
    """One line: how many cases, and how they ended."""
    if trial.error:
        return trial.error
    counts = Counter(row.verdict for row in trial.rows)
    said = ", ".join(f"{n} {v.replace('passes', 'pass')}" for v, n in counts.items())
    gone = f"; no longer there: {', '.join(trial.gone)}" if trial.gone else ""
    kept = "" if trial.kept else "; it was being changed meanwhile, so this run does not count"
    return f"{len(trial.rows)} cases: {said}{gone}{kept}"


def markdown(trial: Trial) -> str:
    """The trial as Markdown, for the UI."""
    head = ("", "Case", "ms", "last good", "")
    rows = [
        ("✔" if r.passed else "✘", r.name, f"{r.ms:g}", _ms(r.good_ms), told(r)) for r in trial.rows
    ]
    lines = [f"**{trial.app}** · {trial.at}", "", plain(summary(trial))]
    return "\n".join([*lines, "", *(table(head, rows) if rows else [])]) + "\n"


def told(row: Row) -> str:
    """The verdict, and the reason if there is one."""
    return f"{row.verdict}: {row.why}" if row.why else row.verdict


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
