"""What a deployment does besides changing files: the ``[deploy]`` part of an ``autoloop.toml``."""

from pydantic import Field, field_validator, model_validator

from autoloop.core.expected import Expected
from autoloop.core.rules import Rule
from autoloop.core.words import Frozen


class DeploySpec(Frozen):
    """Packages and databases that must be in step with the code.

    When the file *manifest* (relative to the code) changes, *install* is run; *environment* is the
    folder that it changes, and that goes back with the code. *migrate* and *data* name procedures
    that are run, if their checks say so, while nothing writes to the databases. *rules* say what
    the code must be like, *expect* what is configured.
    """

    manifest: str = ""
    install: tuple[str, ...] = ()
    environment: str = ""
    install_s: float = Field(default=600, gt=0, le=3600)
    migrate: str = ""
    data: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    expect: tuple[Expected, ...] = ()

    @property
    def procedures(self) -> tuple[str, ...]:
        """Names of procedures, in the order in which they are run."""
        return tuple(dict.fromkeys((*([self.migrate] if self.migrate else []), *self.data)))

    @field_validator("manifest")
    @classmethod
    def _inside_the_code(cls, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise ValueError("is relative to code.path: requirements.txt")
        return path

    @model_validator(mode="after")
    def _packages_are_whole(self) -> "DeploySpec":
        given = [bool(x) for x in (self.manifest, self.install, self.environment)]
        if any(given) and not all(given):
            raise ValueError("manifest, install and environment belong together")
        return self
