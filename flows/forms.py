"""The fields of the forms in Prefect's UI, and what a class flow is handed instead of a form."""

from typing import Annotated, Any

from pydantic import Field, JsonValue
from pydantic.json_schema import SkipJsonSchema

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.kinds import CodeKind, ConfigKind, DatabaseKind, LoginKind, ServiceKind
from autoloop.core.plan import Plan
from autoloop.core.words import Frozen
from autoloop.core.work import Work

APP_FIELDS = ("app", "apps")
"""Parameters that name applications: a running platform offers those under care."""


def field(title: str, description: str, **limits: Any) -> Any:
    """A field of a form. Prefect titles and describes it from the code, unless the schema does."""
    shown: dict[str, JsonValue] = {"title": title, "description": description}
    return Field(json_schema_extra=shown, **limits)


class Found(Frozen):
    """What the front door has found, for the flow that closes the loop."""

    work: Work
    diagnosis: Diagnosis
    plan: Plan


Handed = SkipJsonSchema[Found | None]
"""Not part of any form: given from flow to flow, in one process."""

Incident = SkipJsonSchema[str]
"""The incident that a run was started for; a run from a form opens one."""

App = Annotated[str, field("Application", "The application, by the name it was registered with.")]
Apps = Annotated[
    list[str] | None, field("Applications", "Their names. Empty: every application under care.")
]
PlanOnly = Annotated[bool, field("Only compare", "Say what would change, and change nothing.")]
Seen = Annotated[
    str,
    field(
        "What was seen",
        "An error message, lines of a log, or a sentence, in any language. May be empty.",
    ),
]

_KIND = "If you know it. What the host shows outranks it."
DatabaseTrouble = Annotated[DatabaseKind | None, field("Kind of trouble", _KIND)]
CodeTrouble = Annotated[CodeKind | None, field("Kind of trouble", _KIND)]
ConfigTrouble = Annotated[ConfigKind | None, field("Kind of trouble", _KIND)]
ServiceTrouble = Annotated[ServiceKind | None, field("Kind of trouble", _KIND)]
LoginTrouble = Annotated[LoginKind | None, field("Kind of trouble", _KIND)]

Table = Annotated[
    str, field("Table", "The table, or table.column, that is in trouble.", max_length=120)
]
File = Annotated[
    str, field("File or module", "Where the code fails, as the error names it.", max_length=300)
]
Setting = Annotated[
    str, field("Setting or file", "The name of the setting, or the path.", max_length=300)
]
Component = Annotated[
    str, field("Component", "One of the components in its autoloop.toml.", max_length=64)
]
Username = Annotated[str, field("Username", "Who cannot log in. No password.", max_length=120)]
