"""A host whose clock is wrong, and one whose certificate has expired, look alike from afar."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from autoloop.agent.session import Session
from autoloop.arena.hosts import Host
from autoloop.arena.product import app_document
from autoloop.core.app import parse_app
from blocks.host import Host as HostBlock
from tasks.look import Look, look_at

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

BENCH = Path(__file__).parents[1] / "bench"


def seen(host: Host, script: str) -> Look:
    """What is seen over a connection that is made after *script*, as the bench's cases are."""
    assert host.inside((BENCH / "causes.sh").read_text() + script, visitor=True).ok
    spec = parse_app(app_document("clock", host), "clock")
    session = Session(HostBlock.of(spec.host).connect, lambda _: int(time.time()))
    try:
        return look_at(spec, session, "no")
    finally:
        session.close()


def test_the_clock_is_told_from_the_certificate(host: Host) -> None:
    """All programs of the host see the wrong time, the agent too; nothing waits any longer for it.
    The application is well: whoever looks at dates is turned away, or believes that they are."""
    library = host.root / "usr/local/lib/wrong_clock.so"
    source = BENCH / "wrong_clock.c"
    subprocess.run(["cc", "-O", "-shared", "-fPIC", "-o", library, source], check=True)
    years = 4000 * 86400
    wait = "sleep 3"
    look = seen(host, f"set_clock {years}; {wait}")
    assert look.facts.ahead == pytest.approx(years, abs=30)
    assert [cause.name for cause in look.diagnosis.causes] == ["CONFIG.wrong_clock"]
    assert look.usable
    look = seen(host, f"right_clock; certificate_until '1 day ago'; {wait}")
    assert abs(look.facts.ahead) < 1
    assert [cause.name for cause in look.diagnosis.causes] == ["SERVICE.tls_certificate"]
    assert seen(host, "old_certificate; sleep 1").well
