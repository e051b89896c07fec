"""The fields of the forms in Prefect's UI, and what a class flow is handed instead of a form."""

from typing import Annotated, Any

from prefect.input import RunInput
from pydantic import Field, JsonValue, field_validator
from pydantic.json_schema import SkipJsonSchema

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.redact import redact
from autoloop.core.taxonomy import kinds_of
from autoloop.core.told import UNKNOWN_KIND
from autoloop.core.words import Frozen
from autoloop.core.work import Work

APP_FIELDS = ("app", "apps")
"""Parameters that name applications: a running platform offers those under care."""


def field(title: str, description: str, enum: list[str] | None = None, **limits: Any) -> Any:
    """A field of a form. Prefect titles and describes it from the code, unless the schema does."""
    shown: dict[str, JsonValue] = {"title": title, "description": description}
    if enum:
        shown["enum"] = list[JsonValue](enum)
    return Field(json_schema_extra=shown, **limits)


class Found(Frozen):
    """What the front door has found, for the flow that closes the loop."""

    work: Work
    diagnosis: Diagnosis
    plan: Plan


class Answer(RunInput):
    """What a person says to a plan. Resuming a run without a word approves it. The server refuses
    what is no field of this form, also from other doors."""

    approved: bool = Field(
        default=True, title="Approve", description="Do exactly this; else nothing is done."
    )
    reason: str = Field(
        default="", title="Reason", description="It stands in the report.", max_length=500
    )
    actor: str = Field(
        default="Prefect's UI", title="By", description="Who decides.", max_length=128
    )

    @field_validator("reason", "actor")
    @classmethod
    def _redacted(cls, said: str) -> str:
        """What is typed into a form stands in states, timelines and reports."""
        return redact(said)


Handed = SkipJsonSchema[Found | None]
"""Not part of any form: given from flow to flow, in one process."""

Incident = SkipJsonSchema[str]
"""The incident that a run was started for; a run from a form opens one."""

App = Annotated[str, field("Application", "The application, by the name it was registered with.")]
Apps = Annotated[
    tuple[str, ...], field("Applications", "Their names. None: every application under care.")
]
PlanOnly = Annotated[bool, field("Only compare", "Say what would change, and change nothing.")]
Seen = Annotated[
    str,
    field(
        "What was seen",
        "An error message, lines of a log, or a sentence, in any language. May be empty.",
    ),
]


def kind_of(error_class: str) -> Any:
    """The field for a kind of one class; a person need not know it."""
    what = "If you know it. What the host shows outranks it."
    return field("Kind of trouble", what, enum=[UNKNOWN_KIND, *kinds_of(error_class)])


DatabaseTrouble = Annotated[str, kind_of("DATABASE")]
CodeTrouble = Annotated[str, kind_of("CODE")]
ConfigTrouble = Annotated[str, kind_of("CONFIG")]
ServiceTrouble = Annotated[str, kind_of("SERVICE")]
LoginTrouble = Annotated[str, kind_of("LOGIN")]

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
