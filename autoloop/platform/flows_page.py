"""The page of the flows, made of ``prefect.yaml`` and the flows' own signatures and docstrings.

``python -m autoloop.platform.flows_page > docs/reference/flows.md``
"""

import inspect
from typing import Any

from autoloop.core.markdown import table
from autoloop.platform.deployments import declared, flow_of
from autoloop.platform.forms import form

HEAD = """# Flows

What can be started: from the Prefect UI by a form, by `POST /api/runs/NAME`, on a schedule. Each is
a deployment of the work pool `warm`. On a running platform, forms offer the applications that are
under care by name; see [how to use the Prefect UI](../how-to/prefect-ui.md).

This page is made by `python -m autoloop.platform.flows_page`.
"""


def page() -> str:
    """The whole page, as Markdown."""
    return "\n".join([HEAD, *(_flow(row) for row in declared())])


def _flow(row: dict[str, Any]) -> str:
    flow = flow_of(row)
    said = inspect.cleandoc(flow.fn.__doc__ or "")
    about = [f"tags `{'`, `'.join(row['tags'])}`", *_schedules(row)]
    lines = [f"## {row['name']}", "", row["description"], "", said, "", " · ".join(about), ""]
    schema = form(flow, ())
    rows = [_field(key, asked, schema) for key, asked in schema["properties"].items()]
    return "\n".join([*lines, *table(("field", "name", "value", "default", "what"), rows), ""])


def _schedules(row: dict[str, Any]) -> list[str]:
    if row["name"] == "health":
        return ["scheduled by the `every_s` of each application"]
    return [
        f"schedule `{one['slug']}`: `{one.get('cron') or one['interval']}`"
        + ("" if one.get("active", True) else ", switched off until somebody switches it on")
        for one in row.get("schedules", [])
    ]


def _field(key: str, asked: dict[str, Any], schema: dict[str, Any]) -> tuple[str, ...]:
    needed = key in schema.get("required", ())
    default = "(needed)" if needed else _value(asked["default"])
    return asked["title"], key, _kind(asked), default, asked["description"]


def _kind(asked: dict[str, Any]) -> str:
    if "enum" in asked:
        return ", ".join(asked["enum"])
    if asked["type"] == "array":
        return f"list of {_kind(asked['items'])}"
    limits = {"maxLength": "at most {} characters", "minimum": "from {}", "maximum": "to {}"}
    told = (words.format(asked[key]) for key, words in limits.items() if key in asked)
    kinds = {"string": "text", "boolean": "yes or no", "integer": "number"}
    return " ".join([kinds.get(asked["type"], asked["type"]), *told])


def _value(value: Any) -> str:
    return {True: "yes", False: "no", "": "", (): ""}.get(
        tuple(value) if isinstance(value, list) else value, str(value)
    )


if __name__ == "__main__":
    print(page(), end="")
