"""What the server must know before work starts: block types, deployments, schedules."""

from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.flows import Flow, load_flow_from_entrypoint


def declared() -> list[dict[str, Any]]:
    """The deployments of ``prefect.yaml``: beside the packages, or inside the installed one."""
    beside = Path(__file__).parents[2] / "prefect.yaml"
    text = (
        beside.read_text("utf-8")
        if beside.is_file()
        else files("autoloop").joinpath("prefect.yaml").read_text("utf-8")
    )
    rows: list[dict[str, Any]] = yaml.safe_load(text)["deployments"]
    return rows


async def register(client: PrefectClient, apps: dict[str, dict[str, Any]]) -> None:
    """Create or renew every deployment, with the schedules of health."""
    await register_blocks()
    for row in declared():
        schedules = health_schedules(apps) if row["name"] == "health" else []
        await register_one(client, row, schedules)


async def register_blocks() -> None:
    """Make the block types known, so that blocks can be filled in from the UI."""
    from blocks.app import App
    from blocks.host import Host

    for block in (Host, App):
        await block.aregister_type_and_schema()


async def register_one(
    client: PrefectClient, row: dict[str, Any], schedules: list[DeploymentScheduleCreate]
) -> None:
    """One deployment. The same name again renews it; its runs and history stay."""
    flow: Flow[..., Any] = load_flow_from_entrypoint(row["entrypoint"])
    from prefect.utilities.callables import parameter_schema

    flow_id = await client.create_flow(flow)
    await client.create_deployment(
        flow_id=flow_id,
        name=row["name"],
        entrypoint=row["entrypoint"],
        description=row.get("description") or flow.description,
        tags=row.get("tags", []),
        work_pool_name=row["work_pool"]["name"],
        parameter_openapi_schema=parameter_schema(flow).model_dump_for_openapi(),
        enforce_parameter_schema=True,
        schedules=schedules,
        paused=False,
    )


def health_schedules(apps: dict[str, dict[str, Any]]) -> list[DeploymentScheduleCreate]:
    """One schedule for all applications that are looked at equally often."""
    by_interval: dict[float, list[str]] = {}
    for name, about in apps.items():
        by_interval.setdefault(float(about["every_s"]), []).append(name)
    return [
        DeploymentScheduleCreate(
            schedule=IntervalSchedule(interval=timedelta(seconds=seconds)),
            parameters={"apps": names},
            slug=f"every-{seconds:g}-s".replace(".", "-"),
            active=True,
        )
        for seconds, names in by_interval.items()
    ]
