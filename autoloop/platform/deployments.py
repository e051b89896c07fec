"""What the server must know before work starts: block types, deployments, forms, schedules."""

import asyncio
import contextlib
import fcntl
import logging
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import yaml
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.actions import DeploymentScheduleCreate, DeploymentUpdate
from prefect.client.schemas.objects import WorkQueue
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint

from autoloop.core.errors import HostUnreachable
from autoloop.doors.intake import URGENT
from autoloop.ledger.store import Ledger
from autoloop.platform.forms import form
from autoloop.settings import settings

log = logging.getLogger("autoloop.deployments")
RENEW_S = 2.0
POOL_TRIES = 600
"""Looks for the work pool, ten a second."""

Apps = dict[str, dict[str, Any]]
"""What the ledger knows of each application under care, by name."""


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


def flow_of(row: dict[str, Any]) -> Flow[..., Any]:
    """The flow that a deployment runs."""
    flow: Flow[..., Any] = load_flow_from_entrypoint(row["entrypoint"])
    return flow


async def register(client: PrefectClient, apps: Apps) -> None:
    """Create or renew every deployment and its form. What people have scheduled in the UI stays,
    but for health, whose schedules are made of the intervals of *apps*."""
    await register_blocks()
    known = await registered(client)
    for row in declared():
        if row["name"] == "health" or row["name"] not in known:
            await create_one(client, row, apps)
        else:
            said = _said(row, flow_of(row), apps)
            await client.update_deployment(known[row["name"]], DeploymentUpdate(**said))


async def renew(ledger: Ledger) -> Apps:
    """Forms and schedules name the applications under care; those that they name now. Whoever is
    last has seen them all."""
    with (settings().home / "renew.lock").open("w") as lock:
        await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
        apps = ledger.apps()
        async with get_client() as client:
            await register(client, apps)
    return apps


async def keep_renewed(ledger: Ledger, known: Apps) -> None:
    """Until cancelled: renew when others are under care than were *known*, by whatever door."""
    while True:
        await asyncio.sleep(RENEW_S)
        try:
            if await asyncio.to_thread(ledger.apps) != known:
                known = await renew(ledger)
        except Exception as error:  # the server may be away: tried again
            log.warning("deployments: %r", error)


async def register_queues(client: PrefectClient, pool: str, workers: int) -> None:
    """What is urgent comes first, and the others leave it one of the pool's *workers*.

    Raises:
        HostUnreachable: the worker, which makes the pool at its first start, has not.
    """
    queues = {one.name: one for one in await _queues(client, pool)}
    if URGENT not in queues:
        await client.create_work_queue(name=URGENT, priority=1, work_pool_name=pool)
    others = max(1, workers - 1)
    await client.update_work_queue(queues["default"].id, concurrency_limit=others)


async def _queues(client: PrefectClient, pool: str) -> list[WorkQueue]:
    for _ in range(POOL_TRIES):
        with contextlib.suppress(ObjectNotFound):
            return await client.read_work_queues(work_pool_name=pool)
        await asyncio.sleep(0.1)
    raise HostUnreachable(f"work pool {pool}", "does not exist", "read logs/node.log")


async def register_blocks() -> None:
    """Make the block types known, so that blocks can be filled in from the UI."""
    from blocks.app import App
    from blocks.host import Host
    from blocks.wish import Wish

    for block in (Host, App, Wish):
        await block.aregister_type_and_schema()


async def registered(client: PrefectClient) -> dict[str, UUID]:
    """The deployments that the server has already; flow and deployment share their name."""
    names = {row["name"] for row in declared()}
    flows = {flow.id: flow.name for flow in await client.read_flows() if flow.name in names}
    return {
        one.name: one.id
        for one in await client.read_deployments()
        if flows.get(one.flow_id) == one.name
    }


async def create_one(client: PrefectClient, row: dict[str, Any], apps: Apps) -> None:
    """A deployment with the schedules that are declared for it; it loses those that it had."""
    flow = flow_of(row)
    await client.create_deployment(
        flow_id=await client.create_flow(flow),
        name=row["name"],
        schedules=health_schedules(apps) if row["name"] == "health" else schedules_of(row),
        paused=False,
        **_said(row, flow, apps),
    )


def _said(row: dict[str, Any], flow: Flow[..., Any], apps: Apps) -> dict[str, Any]:
    return {
        "entrypoint": row["entrypoint"],
        "description": row.get("description") or flow.description,
        "tags": row.get("tags", []),
        "work_pool_name": row["work_pool"]["name"],
        "work_queue_name": row["work_pool"].get("work_queue_name", "default"),
        "parameter_openapi_schema": form(flow, apps),
        "enforce_parameter_schema": row.get("enforce_parameter_schema", True),
    }


def schedules_of(row: dict[str, Any]) -> list[DeploymentScheduleCreate]:
    """The schedules that ``prefect.yaml`` declares for a deployment: by cron, or by interval."""
    return [
        DeploymentScheduleCreate(
            schedule=CronSchedule(cron=one["cron"], timezone=one.get("timezone", "UTC"))
            if "cron" in one
            else IntervalSchedule(interval=timedelta(seconds=one["interval"])),
            parameters=one.get("parameters", {}),
            slug=one["slug"],
            active=one.get("active", True),
        )
        for one in row.get("schedules", [])
    ]


def health_schedules(apps: Apps) -> list[DeploymentScheduleCreate]:
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
