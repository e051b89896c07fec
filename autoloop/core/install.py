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
    """What must be made before the application can run.

    *user*: its own system account. *folders*: belong to it. *python* makes the virtual environment
    ``deploy.environment``. *enable*: units among *files* that are started with the host.
    *requires*: settings that only a person can give, which the settings file must have.
    """

    user: str = Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$")
    folders: tuple[str, ...] = ()
    python: str = "python3"
    files: tuple[InstallFile, ...] = ()
    enable: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()

    @field_validator("user")
    @classmethod
    def _is_its_own(cls, user: str) -> str:
        if user == "root":
            raise ValueError("must be an account of the application's own, not root")
        return user

    @field_validator("files")
    @classmethod
    def _name_each_path_once(cls, files: tuple[InstallFile, ...]) -> tuple[InstallFile, ...]:
        paths = [file.path for file in files]
        for path in set(paths):
            if paths.count(path) > 1:
                raise ValueError(f"'{path}' is named twice")
        return files

    def brings(self, unit: str) -> bool:
        """Whether *files* hold the definition of a systemd *unit*; nobody else uses it then."""
        full = unit if "." in unit else f"{unit}.service"
        name, _, ending = full.rpartition(".")
        wanted = {full, f"{name.partition('@')[0]}@.{ending}" if "@" in name else full}
        there = (file.path for file in self.files if file.kind == "file")
        return any(
            path.startswith("/etc/systemd/system/") and path.rpartition("/")[2] in wanted
            for path in there
        )
