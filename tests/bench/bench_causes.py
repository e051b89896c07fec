"""How often the root cause is named when the symptom is elsewhere, and how soon; on a real host.

Every trouble of ``causes.toml`` is brought about on a throw-away host, looked at once as the
platform looks, and taken back. A case is right when class, subtype, component and culprit of the
first cause are. Needs root. Words of the command line choose cases by a part of their name.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from autoloop.agent.session import Session
from autoloop.arena.hosts import Host, up
from autoloop.arena.image import build
from autoloop.arena.product import app_document
from autoloop.arena.recipe import Profile
from autoloop.core.app import AppSpec, parse_app
from autoloop.core.case import Case
from blocks.host import Host as HostBlock
from tasks.backup import backup_action
from tasks.look import Look, look_at

CASES = Path(__file__).with_name("causes.toml")
CLOCK = CASES.with_name("wrong_clock.c")
GOAL_S, GOAL_SHARE = 1.5, 28 / 30
WELL_S = 60.0
SETTLE_S = 5.0
KNOWN = CASES.with_suffix(".sh").read_text("utf-8")


@dataclass(frozen=True)
class Answer:
    """What the diagnosis of one case was, and whether it is right."""

    name: str
    right: bool
    said: str
    seconds: float


def main(words: list[str]) -> None:
    """Bring every chosen trouble about, one after the other; the last line is JSON."""
    cases = [
        case for case in tomllib.loads(CASES.read_text("utf-8"))["case"] if chosen(case, words)
    ]
    answers = []
    for profile in get_args(Profile):
        here = [case for case in cases if case.get("profile", "sqlite") == profile]
        answers += on_a_host(profile, here) if here else []
    print(json.dumps(summary(answers)))


def on_a_host(profile: Profile, cases: list[dict[str, Any]]) -> list[Answer]:
    """All cases of one profile, on one host."""
    with up(f"causes-{profile}", build(profile)) as host:
        bring(host, sorted({name for case in cases for name in case.get("packages", ())}))
        if any(case.get("anew") for case in cases):
            clock = host.root / "usr/local/lib/wrong_clock.so"
            subprocess.run(["cc", "-O", "-shared", "-fPIC", "-o", clock, CLOCK], check=True)
        spec = parse_app(app_document("bench", host), "bench")
        session = Session(HostBlock.of(spec.host).connect, lambda _: int(time.time()))
        try:
            adopt(spec, session)
            return [asked(case, host, with_cases(spec, case), session) for case in cases]
        finally:
            session.close()


def with_cases(spec: AppSpec, case: dict[str, Any]) -> AppSpec:
    """The application, asked what the case adds as well: reading alone shows no refused change."""
    added = [Case.model_validate(one) for one in case.get("asks", ())]
    return spec.model_copy(update={"cases": (*spec.cases, *added)})


def bring(host: Host, packages: list[str]) -> None:
    """Install Debian packages on the host. They are fetched here: a host reaches no index."""
    if not packages:
        return
    there = host.root / "root" / "packages"
    there.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # apt fetches as another user
        subprocess.run(["apt-get", "-qq", "download", *packages], cwd=folder, check=True)
        for path in Path(folder).glob("*.deb"):
            shutil.copy(path, there)
    inside(host, "dpkg --install /root/packages/*.deb", "packages")


def chosen(case: dict[str, Any], words: list[str]) -> bool:
    """Whether the command line names no case, or this one."""
    return not words or any(word in case["name"] for word in words)


def adopt(spec: AppSpec, session: Session) -> None:
    """Remember the state of the host as the good one, as taking it into care does."""
    wait_until_well(spec, session, "before the first case")
    session.lock(spec.name, int(time.time()), 10)
    done = session.do(f"bench/{time.time_ns()}", backup_action(spec, "bench"))
    session.mark_good(spec.name, done.value["id"])
    session.unlock(spec.name)


def asked(case: dict[str, Any], host: Host, spec: AppSpec, session: Session) -> Answer:
    """Break it, look, put it right again. What a case needs first is good, and taken back too."""
    if "before" in case:
        inside(host, case["before"], case["name"])
        adopt(spec, session)
    answer = broken(case, host, spec, session)
    if "before" in case:
        inside(host, case["after"], case["name"])
        adopt(spec, session)
    return answer


def broken(case: dict[str, Any], host: Host, spec: AppSpec, session: Session) -> Answer:
    """Break it, look, put it right again."""
    inside(host, case["inject"], case["name"])
    connect_anew(case, session)
    time.sleep(case.get("settle_s", SETTLE_S))
    try:
        began = time.monotonic()
        look = look_at(spec, session)
        seconds = time.monotonic() - began
    finally:
        inside(host, case["undo"], case["name"])
        connect_anew(case, session)
    wait_until_well(spec, session, case["name"])
    answer = judged(case, look, seconds)
    mark = "right" if answer.right else "WRONG"
    print(f"{mark}  {seconds:5.2f} s  {answer.name}: {answer.said}", flush=True)
    return answer


def connect_anew(case: dict[str, Any], session: Session) -> None:
    """Where what the case changes is only seen by programs that begin after it."""
    if case.get("anew"):
        session.close()
        session.observe([])


def judged(case: dict[str, Any], look: Look, seconds: float) -> Answer:
    """Hold the first cause against the case."""
    top = look.diagnosis.top
    said = "\n".join(seen.excerpt for seen in top.evidence)
    shown = case.get("shows", "") in said and case.get("hides", "\0") not in said
    right = (
        top.name in (case["cause"], *case.get("also", ()))
        and top.component == case["component"]
        and case["culprit"] in top.culprit
        and shown
    )
    named = f"{top.name} {top.component} {top.culprit} ({top.confidence:.2f})"
    return Answer(case["name"], right, named, round(seconds, 2))


def inside(host: Host, script: str, name: str) -> None:
    """Run a script of the case on the host, as somebody who works there."""
    done = host.inside(f"{KNOWN}systemctl reset-failed\n{script}", visitor=True)
    if not done.ok and "restart nginx" not in script:  # that one is meant to fail
        sys.exit(f"bench-causes: {name}: {done.stderr or done.stdout}")


def wait_until_well(spec: AppSpec, session: Session, when: str) -> None:
    """Until the application is well; a case that cannot be taken back ends the bench."""
    end = time.monotonic() + WELL_S
    while not (look := look_at(spec, session)).well:
        if time.monotonic() > end:
            why = [result.why for result in look.cases if not result.passed]
            sys.exit(f"bench-causes: not well {when}: {look.diagnosis.top} {why}")
        time.sleep(0.5)


def summary(answers: list[Answer]) -> dict[str, Any]:
    """Figures and goals."""
    right = sum(answer.right for answer in answers)
    median = round(statistics.median(answer.seconds for answer in answers), 2)
    figures = {
        "cases": len(answers),
        "right": right,
        "median_seconds": median,
        "slowest_seconds": max(answer.seconds for answer in answers),
        "wrong": [f"{a.name}: {a.said}" for a in answers if not a.right],
    }
    targets = [
        {
            "what": "share of cases whose root cause is right",
            "goal": round(GOAL_SHARE, 3),
            "measured": round(right / len(answers), 3),
            "met": right / len(answers) >= GOAL_SHARE,
        },
        {
            "what": "median seconds of a look",
            "goal": GOAL_S,
            "measured": median,
            "met": median <= GOAL_S,
        },
    ]
    return {"bench": "causes", "figures": figures, "targets": targets}


if __name__ == "__main__":
    main(sys.argv[1:])
