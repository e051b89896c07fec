"""Looking back at an outage, after service was restored and people were told."""

import time
from datetime import datetime

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.errors import AutoloopError
from autoloop.core.outage import Outage, outage_from, outage_reads
from autoloop.core.report import Report
from autoloop.core.work import Work
from tasks.step import step
from tasks.target import ledger, session_of, spec_of


@step(retries=0, timeout_s=60)
def look_back(work: Work, diagnosis: Diagnosis, report: Report) -> Outage:
    """Ask the host why it came to this. It reads only, and what fails here spoils no repair."""
    if not diagnosis.top.component:
        return Outage(error="no component is known to be in trouble")
    try:
        spec = spec_of(work)
        reads = outage_reads(spec.component(diagnosis.top.component))
        answers = session_of(work).observe(reads, 30)
    except AutoloopError as error:
        return Outage(component=diagnosis.top.component, error=str(error))
    seen = datetime.fromisoformat(report.incident.first_seen).timestamp()
    outage = outage_from(spec, diagnosis, seen, time.time(), answers)
    names = ", ".join(f"{r.cause.name} {r.cause.culprit}".strip() for r in outage.reasons)
    ledger().note(work.id, f"looked back: {names or 'nothing on the host tells why'}")
    return outage
