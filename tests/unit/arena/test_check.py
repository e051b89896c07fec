"""How faults are checked: which steps, which colours, which report."""

from dataclasses import replace

from autoloop.arena.check import Found, as_json, steps_of
from autoloop.arena.fault import Fault

FAULT = Fault.model_validate(
    {
        "name": "x",
        "class": "SERVICE",
        "subtype": "service_down",
        "inject": "a",
        "healthy": "b",
        "keep": "c",
        "good": ["d"],
        "bad": ["e", "f"],
    }
)


def test_a_fault_is_red_until_it_is_repaired_right() -> None:
    """Left alone and after wrong repairs red, after right ones green."""
    assert [(step.name, step.expected, step.repair) for step in steps_of(FAULT)] == [
        ("left alone", "red", None),
        ("good 1", "green", "d"),
        ("bad 1", "red", "e"),
        ("bad 2", "red", "f"),
    ]


def test_a_control_is_green_until_somebody_acts() -> None:
    """Left alone is the right answer."""
    control = FAULT.model_copy(update={"error_class": "NONE"})
    assert steps_of(control)[0].expected == "green"


def test_the_report_counts_faults_and_steps() -> None:
    """A fault is as it should be when all its steps are; long harm is cut."""
    right = Found("x", "left alone", "red", "red", 1.0, "why")
    wrong = replace(right, step="bad 1", found="green", harm=("line",) * 100)
    report = as_json([right, wrong, replace(right, fault="y")])
    assert report["summary"] == {"faults": 2, "ok": 1, "steps": 3, "steps_ok": 2}
    assert [row["ok"] for row in report["faults"]] == [False, True]
    assert report["faults"][0]["steps"][1]["harm"][-1] == "and 75 more"
