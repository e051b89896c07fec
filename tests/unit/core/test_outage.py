"""Looking back: what the host noted before an outage, and what follows from it."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.app import AppSpec
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.outage import Outage, outage_from, outage_reads
from autoloop.core.target import Answer

NOW = 1_800_000_000.0
DOWN = Cause(name="SERVICE.service_down", culprit="app.service", component="app", confidence=0.9)
LOST = Cause(name="CONFIG.env_missing", culprit="SECRET_KEY", component="app", confidence=0.97)
HIDDEN = "password=hunter2"

# As systemd 252 (Debian 12) and supervisor 4.3 write them; the time comes before each.
STOPPED = ["systemd[1]: Stopping app.service - The app...", "systemd[1]: Stopped app.service."]
KILLED = ["systemd[1]: app.service: Main process exited, code=killed, status=9/KILL"]
TERMED = [STOPPED[0], "systemd[1]: app.service: Main process exited, code=killed, status=15/TERM"]
ENDED = [
    "gunicorn[70]: ModuleNotFoundError: No module named 'flask'",
    "systemd[1]: app.service: Main process exited, code=exited, status=3/NOTIMPLEMENTED",
    "systemd[1]: app.service: Failed with result 'exit-code'.",
]
RESTARTED = [*STOPPED, "systemd[1]: Started app.service - The app."]
OOM = ["systemd[1]: app.service: A process of this unit has been killed by the OOM killer."]


def said(text: str) -> Answer:
    """The answer of a program."""
    return Answer(ok=True, value={"code": 0, "out": text, "err": "", "timed_out": False})


def journal(lines: list[str], ago: float) -> str:
    """Lines as ``journalctl -o short-unix`` prints them, the last one *ago* seconds back."""
    first = NOW - ago - len(lines)
    return "\n".join(f"{first + n:.6f} host {line}" for n, line in enumerate(lines, 1))


def looked_back(
    spec: AppSpec,
    lines: list[str],
    ago: float = 20,
    causes: tuple[Cause, ...] = (DOWN,),
    people: list[str] | None = None,
    host: Mapping[str, Any] | None = None,
    seen_ago: float = 10,
) -> Outage:
    """The outage of the shop's app, told of ten seconds ago."""
    answers = (
        said(journal(lines, ago)),
        Answer(ok=False, error="no kernel log here"),
        said(journal(people or [], ago)),
        Answer(ok=False, error="ENOENT"),
        said("+0000\n"),
        Answer(ok=True, value={"time": NOW, "uptime": 1e6, **(host or {})}),
    )
    return outage_from(spec, Diagnosis(causes=causes), NOW - seen_ago, NOW, answers)


@pytest.mark.parametrize(
    ("lines", "name", "words"),
    [
        (STOPPED, "SERVICE.service_down", "told to stop"),
        (TERMED, "SERVICE.service_down", "told to stop"),
        (KILLED, "SERVICE.service_down", "killed (9/KILL)"),
        (ENDED, "CODE.import_error", "ended by itself"),
        (OOM, "SERVICE.memory_leak", "memory ran out"),
    ],
)
def test_what_the_manager_noted_is_the_reason(
    spec: AppSpec, lines: list[str], name: str, words: str
) -> None:
    """By the lines themselves, with their times."""
    [reason] = looked_back(spec, lines).reasons
    assert reason.cause.name == name
    assert words in reason.words.en and reason.words.zh
    assert reason.cause.evidence[0].at.startswith("2027-01-15T")


@pytest.mark.parametrize(
    ("lines", "more"),
    [
        ([], {}),
        (STOPPED, {"ago": 3600}),
        (STOPPED, {"ago": 0, "seen_ago": 60}),
        (RESTARTED, {}),
        (["app[7]: stopped thinking about it"], {}),
    ],
)
def test_what_is_old_or_came_later_or_was_undone_is_no_reason(
    spec: AppSpec, lines: list[str], more: dict[str, Any]
) -> None:
    """The platform's own restart comes after the first word of the trouble."""
    assert looked_back(spec, lines, **more).reasons == ()


def test_who_gave_the_command_is_named_where_the_host_noted_it(spec: AppSpec) -> None:
    """And no secret of a command line is."""
    sudo = f"sudo[9]: lan : PWD=/ ; USER=root ; COMMAND=/usr/bin/systemctl stop app {HIDDEN}"
    outage = looked_back(spec, STOPPED, people=[sudo])
    [reason] = outage.reasons
    assert "lan" in reason.cause.evidence[1].excerpt
    assert "hunter2" not in outage.model_dump_json()
    assert [line.source for line in outage.before].count("people") == 1


def test_what_was_found_on_the_host_at_first_comes_first(spec: AppSpec) -> None:
    """Deeper causes explain an outage; being down does not explain itself."""
    outage = looked_back(spec, ENDED[1:], causes=(LOST, DOWN))
    assert [r.cause.name for r in outage.reasons] == ["CONFIG.env_missing", "SERVICE.crash_loop"]
    less_deep = looked_back(spec, ENDED[1:], causes=(DOWN, LOST))
    assert [r.cause.name for r in less_deep.reasons] == ["SERVICE.crash_loop"]


def test_a_host_that_was_just_started_is_a_reason(spec: AppSpec) -> None:
    """The clock of the host may be wrong by hours."""
    host = {"time": NOW - 7200, "uptime": 90.0}
    [reason] = looked_back(spec, [], host=host).reasons
    assert reason.cause.culprit == "host"


def test_supervisord_writes_local_time_and_one_log_for_all(spec: AppSpec) -> None:
    """Only lines of the program count."""
    part = spec.components[1].model_copy(update={"manager": "supervisord", "unit": "app"})
    other = spec.model_copy(update={"components": (part,)})
    told = (
        "2027-01-15 15:59:30,1 INFO waiting for app to stop\n"
        "2027-01-15 15:59:31,1 INFO stopped: app (terminated by SIGTERM)\n"
        "2027-01-15 15:59:35,1 INFO exited: mail (terminated by SIGKILL; not expected)\n"
    )
    nothing = Answer(ok=False, error="x")
    host = Answer(ok=True, value={"time": NOW, "uptime": 1e6})
    answers = (said(told), nothing, nothing, nothing, said("+0800\n"), host)
    found = outage_from(other, Diagnosis(causes=(DOWN,)), NOW - 10, NOW, answers)
    assert [reason.words.en[:11] for reason in found.reasons] == ["its manager"]


TOLD = st.text(alphabet="0123456789-:.,+ \nStopingcde=kl/exd,tu", max_size=200)


@given(TOLD, st.sampled_from(["+0000", "-0930", "+9999", "x"]))
def test_whatever_a_host_says_something_is_made_of_it(text: str, zone: str) -> None:
    """Looking back never fails: the repair is done."""
    shop = AppSpec.model_validate(
        {
            "name": "shop",
            "components": [{"name": "app", "unit": "app.service"}],
            "cases": [{"name": "health", "url": "http://127.0.0.1/"}],
        }
    )
    told = [f"{NOW - 20:.6f} host {text}", f"2027-99-99 {text}", text]
    host = Answer(ok=True, value={"time": NOW, "uptime": 1e6})
    answers = (*(said(one) for one in told), said(text), said(zone), host)
    assert outage_from(shop, Diagnosis(causes=(DOWN,)), NOW, NOW, answers).component == "app"


def test_nothing_can_be_read_and_nothing_is_claimed(spec: AppSpec) -> None:
    """A host that answers no question gives no reason, and no error."""
    answers = [Answer(ok=False, error="gone")] * len(outage_reads(spec.components[0]))
    assert outage_from(spec, Diagnosis(causes=(DOWN,)), NOW, NOW, answers).reasons == ()
