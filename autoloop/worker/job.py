"""What a work pool of type ``warm`` lets a deployment set, and what a child is told of it."""

from pathlib import Path
from uuid import UUID

from prefect.client.schemas.objects import Flow as APIFlow
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorkerResult
from pydantic import Field, PrivateAttr

from autoloop.worker.child import Job


class WarmVariables(BaseVariables):
    """Job variables of a deployment: ``env`` and ``working_dir`` are heeded."""

    working_dir: Path | None = Field(
        default=None, description="Directory in which the flow runs; default: the worker's own."
    )


class WarmConfiguration(BaseJobConfiguration):
    """Those variables, resolved for one flow run."""

    working_dir: Path | None = Field(default=None)
    _entrypoint: str | None = PrivateAttr(default=None)

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: APIFlow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """Note the entry point, when the code need not be fetched first."""
        super().prepare_for_flow_run(flow_run, deployment, flow, work_pool, worker_name, worker_id)
        if deployment and not deployment.pull_steps and ":" not in (deployment.entrypoint or ":"):
            self._entrypoint = deployment.entrypoint

    def job(self, flow_run: FlowRun) -> Job:
        """What the child is given."""
        env = {key: value for key, value in self.env.items() if value is not None}
        return Job(flow_run.id, self._entrypoint, env, str(self.working_dir or "") or None)

    @classmethod
    def _base_environment(cls) -> dict[str, str]:
        return {}  # children have the worker's settings; collecting them takes 30 ms a run


class WarmResult(BaseWorkerResult):
    """Ends a run for Prefect; its code is 0, as the worker has settled the state itself."""
