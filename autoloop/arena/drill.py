"""``drill run``: each fault on a host of its own, the product at work, and the score card."""

import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from autoloop.arena.errors import ArenaError
from autoloop.arena.fault import Fault
from autoloop.arena.hosts import sweep, up
from autoloop.arena.image import Image, images
from autoloop.arena.judge import Judge, Pace, Verdict
from autoloop.arena.product import Product
from autoloop.arena.progress import say

PATIENCE_S = 240.0  # for a fault to be noticed and ended
CONTROL_S = 25.0  # how long a control is watched

BASELINES: dict[str, str] = {
    "nothing": "true",
    "restart": """
        systemctl reset-failed
        [ ! -d /etc/postgresql ] || systemctl restart postgresql
        systemctl restart lingzhi nginx; true
    """,
    "unverified": """
        if ! systemctl -q is-active lingzhi; then systemctl reset-failed; systemctl restart lingzhi
        elif ! curl -fs -m 5 -o /dev/null http://127.0.0.1/; then systemctl restart nginx; fi; true
    """,
}


@dataclass(frozen=True)
class Trial:
    """One fault, one repeat."""

    fault: Fault
    repeat: int

    @property
    def name(self) -> str:
        """Short enough for a host's name, and unique in a drill."""
        return f"d{abs(hash((self.fault.name, self.repeat))) % 10**7}"


def run(
    faults: Sequence[Fault],
    product: Product,
    jobs: int = 2,
    repeat: int = 1,
    baselines: bool = False,
) -> dict[str, Any]:
    """Drill them all; the score card as `ARENA` rows and a summary."""
    sweep()
    made = images(fault.profile for fault in faults)
    trials = [Trial(fault, number) for fault in faults for number in range(1, repeat + 1)]
    with ThreadPoolExecutor(jobs) as pool:
        rows = list(pool.map(lambda t: _told(t, product, made[t.fault.profile]), trials))
        card: dict[str, Any] = {"faults": rows, "summary": summary(rows)}
        if baselines:
            card["baselines"] = {
                name: summary(
                    list(
                        pool.map(lambda t, s=script: baseline(t, made[t.fault.profile], s), trials)
                    )
                )
                for name, script in BASELINES.items()
            }
    return card


def _told(trial: Trial, product: Product, image: Image) -> dict[str, Any]:
    row = _tried(lambda: drill(trial, product, image), trial)
    mark = "✔" if good(row) else "✘"
    say(f"{mark} {trial.fault.name}: {row['diagnosis']} {row['seconds_to_recover']} {row['error']}")
    return row


def _tried(work: Callable[[], dict[str, Any]], trial: Trial) -> dict[str, Any]:
    try:
        return work()
    except ArenaError as error:
        return {**blank(trial), "error": str(error)}


def good(row: dict[str, Any]) -> bool:
    """Whether the product did what is right for this row."""
    if row["error"] or row["harm"]:
        return False
    if row["class"] == "NONE":
        return not row["acted"]
    if not row["auto"]:
        return bool(row["asked"]) and not row["acted"]
    return bool(row["repaired"] and row["class_right"])


def drill(trial: Trial, product: Product, image: Image) -> dict[str, Any]:
    """One fault: a fresh host under care, broken, watched, judged."""
    fault = trial.fault
    with up(trial.name, image) as host:
        judge = Judge(host, fault)
        judge.baseline()
        product.register(trial.name, host)
        try:
            judge.baseline()
            judge.inject()
            if fault.told_by == "report":
                product.report(trial.name, fault.report)
            record = _watch(product, trial, fault)
            verdict = judge.verdict(chosen_effects(record))
        finally:
            product.unregister(trial.name)
        return card_row(trial, judge.injected_at, record, verdict)


def _watch(product: Product, trial: Trial, fault: Fault) -> dict[str, Any] | None:
    """The incident once it has ended; None when there was none in the time given."""
    ordinary = fault.is_control and fault.told_by == "watch"
    end = time.monotonic() + (CONTROL_S if ordinary else PATIENCE_S)
    record: dict[str, Any] | None = None
    while time.monotonic() < end:
        rows = product.incidents(trial.name)
        record = rows[0] if rows else None
        if record and record["ended"]:
            return record
        time.sleep(0.5)
    return record


def chosen_effects(record: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The effects that the plan declared for the remedies that were used: up to the kept one."""
    plan = (record or {}).get("plan") or {}
    kept = ((record or {}).get("outcome") or {}).get("remedy")
    names = [one["remedy"] for one in plan.get("proposals", [])]
    used = names.index(kept) + 1 if kept in names else len(names)
    return [effect for one in plan.get("proposals", [])[:used] for effect in one["effects"]]


def blank(trial: Trial) -> dict[str, Any]:
    """A row of which nothing is known."""
    fault = trial.fault
    return {
        "name": fault.name,
        "repeat": trial.repeat,
        "class": fault.error_class,
        "subtype": fault.subtype,
        "auto": fault.auto,
        "detected": False,
        "diagnosis": None,
        "class_right": False,
        "subtype_right": False,
        "culprit_right": None,
        "acted": False,
        "repaired": False,
        "held": False,
        "harm": [],
        "asked": False,
        "seconds_to_detect": None,
        "seconds_to_recover": None,
        "tokens": 0,
        "error": "",
    }


def card_row(
    trial: Trial, injected: float, record: dict[str, Any] | None, verdict: Verdict
) -> dict[str, Any]:
    """A row of the score card."""
    fault = trial.fault
    row = blank(trial) | {
        "acted": verdict.acted,
        "harm": list(verdict.harm),
        "held": verdict.held,
        "repaired": verdict.repaired and not fault.is_control and fault.auto,
        "words": verdict.words,
    }
    if record is None:
        return row
    row["detected"] = not fault.is_control
    row["asked"] = record["state"] == "asked a person"
    row["seconds_to_detect"] = _since(injected, record["opened"])
    proof = (record.get("outcome") or {}).get("proof")
    if proof:
        row["seconds_to_recover"] = round(proof["at"] - injected, 2)
    if record["diagnosis"]:
        row |= judged(fault, record["diagnosis"]["causes"][0])
    return row


def judged(fault: Fault, cause: dict[str, Any]) -> dict[str, Any]:
    """How right a diagnosis is."""
    error_class, subtype = cause["name"].split(".")
    right = {f"{fault.error_class}.{fault.subtype}", *fault.also}
    culprit = fault.culprit in cause["culprit"] if fault.culprit else None
    return {
        "diagnosis": {"class": error_class, "subtype": subtype, "culprit": cause["culprit"]},
        "class_right": error_class in {name.split(".")[0] for name in right},
        "subtype_right": cause["name"] in right,
        "culprit_right": culprit,
    }


def _since(injected: float, opened: str) -> float:
    return round(datetime.fromisoformat(opened).timestamp() - injected, 2)


def baseline(trial: Trial, image: Image, script: str) -> dict[str, Any]:
    """The same fault with a fixed script in the product's place."""

    def work() -> dict[str, Any]:
        with up(trial.name, image) as host:
            judge = Judge(host, trial.fault, Pace(window_s=5, looks=2))
            judge.baseline()
            judge.inject()
            time.sleep(5)
            host.run(script, timeout_s=120)
            return card_row(trial, judge.injected_at, None, judge.verdict())

    return _tried(work, trial)


def summary(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of a score card."""
    repairable = [r for r in rows if r["class"] != "NONE" and r["auto"]]
    controls = [r for r in rows if r["class"] == "NONE"]
    must_ask = [r for r in rows if not r["auto"] and r["class"] != "NONE"]
    seconds = sorted(r["seconds_to_recover"] for r in repairable if r["seconds_to_recover"])
    return {
        "repairable": len(repairable),
        "repaired": sum(r["repaired"] for r in repairable),
        "held": sum(r["held"] for r in repairable),
        "diagnosed_and_repaired": sum(r["repaired"] and r["subtype_right"] for r in repairable),
        "controls": len(controls),
        "acted_on_controls": sum(r["acted"] for r in controls),
        "must_ask": len(must_ask),
        "asked": sum(r["asked"] and not r["acted"] for r in must_ask),
        "harm": sum(bool(r["harm"]) for r in rows),
        "median_seconds": round(statistics.median(seconds), 2) if seconds else None,
        "p95_seconds": seconds[max(0, round(0.95 * len(seconds)) - 1)] if seconds else None,
    }
