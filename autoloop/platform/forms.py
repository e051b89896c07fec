"""Forms: what Prefect's UI asks for before it starts a deployment."""

from collections.abc import Iterable
from typing import Any

from prefect.flows import Flow
from prefect.utilities.callables import parameter_schema

from flows.forms import APP_FIELDS


def form(flow: Flow[..., Any], apps: Iterable[str]) -> dict[str, Any]:
    """The schema of a flow's parameters; applications are chosen among *apps*, if there are any."""
    schema = dict(parameter_schema(flow).model_dump_for_openapi())
    names = sorted(apps)
    for key, asked in schema["properties"].items():
        if names and key in APP_FIELDS:
            asked.get("items", asked)["enum"] = names
    return schema
