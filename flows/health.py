"""What runs on a schedule."""

from prefect import flow, runtime

from autoloop.core.work import Work
from flows.remediate import remediate
from tasks.health import HealthResult, check_health, note_health
from tasks.target import working_on


@flow(name="health", flow_run_name="health {app}")
def health(app: str) -> HealthResult:
    """Look at the application as its users do. What stays wrong over several looks becomes an
    incident, and the same run goes on to repair it. Changes nothing while all is well."""
    work = Work(id=f"h-{runtime.flow_run.id}", app=app)
    with working_on(work):
        look = check_health(work)
        result = note_health(work, look)
    if result.new:
        remediate(app=app, incident=result.incident)
    return result
