"""What a run is started with: an incident that is there, or what a person filled into a form."""

from pydantic import Field

from autoloop.core.app import AppName
from autoloop.core.words import Frozen

UNKNOWN_KIND = "unknown"
"""The kind of somebody who does not know it."""


class Told(Frozen):
    """An *incident*, or what a report is made of; *fields* are kept with it."""

    app: AppName
    seen: str = ""
    fields: dict[str, str] = Field(default_factory=dict)
    incident: str = ""


def told(error_class: str, app: str, seen: str, kind: str, **blamed: str) -> Told:
    """What the form of one class was filled with: the type that was chosen, and what is to blame.
    Fields that were left empty are left out."""
    name = error_class if kind == UNKNOWN_KIND else f"{error_class}.{kind}"
    fields = {key: value.strip() for key, value in blamed.items() if value.strip()}
    return Told(app=app, seen=seen, fields={"type": name, **fields})
