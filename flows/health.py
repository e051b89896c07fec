"""What runs on a schedule."""

from prefect import flow, runtime

from autoloop.core.work import Work
from flows.forms import Apps
from tasks.health import HealthResult, check_applications
from tasks.target import ledger


def run_name() -> str:
    """The applications that are looked at; of many only how many."""
    apps = runtime.flow_run.parameters.get("apps") or ["all"]
    return f"health {', '.join(apps) if len(apps) <= 3 else f'of {len(apps)} applications'}"


@flow(name="health", flow_run_name=run_name, persist_result=True, result_serializer="json")
def health(apps: Apps = ()) -> list[HealthResult]:
    """Look at applications as their users do. What stays wrong over several looks becomes an
    incident, and the platform starts its repair at once. Changes nothing while all is well."""
    work = Work(id=f"h-{runtime.flow_run.id}", app="all")
    return check_applications(work, list(apps or ledger().apps()))
