"""The first deployment, to a host that does not know the application: ``[install]``."""

from typing import Literal

from pydantic import Field, field_validator

from autoloop.core.words import Frozen


class InstallFile(Frozen):
    """One file that the application needs outside its code: its unit, its site.

    It has *content*, or is a *link*, or must be *absent*. Root owns it.
    """

    path: str
    content: str = ""
    link: str = ""
    absent: bool = False
    mode: str = Field(default="644", pattern=r"^[0-7]{3}$")

    @property
    def kind(self) -> Literal["file", "link", "absent"]:
        """What it is afterwards."""
        return "absent" if self.absent else "link" if self.link else "file"


class InstallSpec(Frozen):
    """What must be there before the application can run.

    *user*: a system account, made if there is none. *folders*: belong to it. *python* makes the
    virtual environment ``deploy.environment``. *enable*: units that are started with the host.
    """

    user: str = Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    folders: tuple[str, ...] = ()
    python: str = "python3"
    files: tuple[InstallFile, ...] = ()
    enable: tuple[str, ...] = ()

    @field_validator("user")
    @classmethod
    def _is_its_own(cls, user: str) -> str:
        if user == "root":
            raise ValueError("must be an account of the application's own, not root")
        return user
