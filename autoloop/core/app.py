"""What an application is: the contents of its ``autoloop.toml``, checked."""

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from autoloop.core.case import Case
from autoloop.core.delivery import DeploySpec
from autoloop.core.errors import BadSpec
from autoloop.core.install import InstallSpec
from autoloop.core.redact import redact_value
from autoloop.core.service import ServiceManager, Supervisord, Systemd
from autoloop.core.words import Frozen

Risk = Literal["none", "low", "medium", "high"]
RISKS: tuple[Risk, ...] = ("none", "low", "medium", "high")

AppName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$", max_length=64)]
"""The name of an application: it is also the name of its Prefect block, so no ``_``."""


Unit = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:.@\\][A-Za-z0-9_:.@\\-]*$", max_length=255)]
"""The name of a service: one word, which is no option and no pattern to its manager."""


class HostSpec(Frozen):
    """Where the application lives. ``address = "local"`` is this machine, without SSH.

    Address and user are words without anything that a shell acts on: OpenSSH's configuration may
    hand them to one.
    """

    address: str = Field(
        default="local", pattern=r"^[A-Za-z0-9:\[][A-Za-z0-9._:%\[\]-]*$", max_length=255
    )
    port: int = Field(default=22, ge=1, le=65535)
    user: str = Field(default="root", pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$", max_length=128)
    sudo: bool = False
    identity_file: str = ""
    known_hosts: str = ""
    state_dir: str = ""


class CodeSpec(Frozen):
    """The tree that deployments change, and the components that run it (empty: all of them)."""

    path: str
    runs: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ("__pycache__", "*.pyc", ".git", ".venv", "node_modules")


SQLITE_ENDS = ("", "-journal", "-wal", "-shm")
"""What belongs to a SQLite database: its file, and what stands beside it while it is in use."""


class DataSpec(Frozen):
    """What a backup must hold besides code and configuration."""

    sqlite: tuple[str, ...] = ()


class Component(Frozen):
    """One supervised part: the application server, the front, a worker."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    manager: Literal["systemd", "supervisord"] = "systemd"
    supervisorctl: tuple[str, ...] = ("supervisorctl",)
    unit: Unit
    port: int | None = Field(default=None, ge=1, le=65535)
    http: bool = True
    tls: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = ()  # where it shows a certificate
    settings: str = ""
    config: tuple[str, ...] = ()
    config_test: tuple[str, ...] = ()
    reloads: tuple[str, ...] = ()  # those of config for which a reload is enough
    logs: tuple[str, ...] = ()
    access_logs: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    memory_mb: float | None = Field(default=None, gt=0)
    memory_max_mb: int | None = Field(default=None, ge=8)  # set as a limit when it has leaked

    @model_validator(mode="after")
    def _limit_is_above_its_use(self) -> "Component":
        if self.memory_max_mb is not None and self.manager != "systemd":
            raise ValueError(f"memory_max_mb of '{self.name}': only systemd sets such a limit")
        if self.memory_max_mb is not None and self.memory_max_mb < (self.memory_mb or 0):
            raise ValueError(
                f"memory_max_mb of '{self.name}' is below its memory_mb, which it may use"
            )
        return self

    def service(self) -> ServiceManager:
        """The manager that this component's unit belongs to."""
        return Systemd() if self.manager == "systemd" else Supervisord(self.supervisorctl)

    def files(self) -> tuple[str, ...]:
        """Its configuration and settings files."""
        return tuple(dict.fromkeys((*self.config, *([self.settings] if self.settings else []))))


Curable = Literal[
    "DATABASE.schema_mismatch",
    "DATABASE.user_not_found",
    "DATABASE.auth_failed_db",
    "DATABASE.data_corruption",
    "CODE.import_error",
    "SERVICE.disk_full",
    "SERVICE.tls_certificate",
    "SERVICE.memory_leak",
    "LOGIN.user_not_exist",
    "LOGIN.wrong_password",
    "LOGIN.token_expired",
]


def _several(given: object) -> object:
    return (given,) if isinstance(given, str) else given


class Procedure(Frozen):
    """How the application itself puts one thing right, declared by the people who know it.

    *check* changes nothing: it exits 0 when there is nothing to do, with one of *due* when *apply*
    is needed (its last line of output names what is to blame), and with anything else when it
    cannot tell; 1 is no good choice, as a program that crashes exits with it. *apply* may run
    twice. It *cures* one cause or several; a check that says "needed" tells of the first.
    *undo*, where there is one, takes it back. *touches* names the tables, files or packages
    that *apply* may change.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    cures: Annotated[tuple[Curable, ...], BeforeValidator(_several)] = Field(min_length=1)
    component: str
    check: tuple[str, ...] = Field(min_length=1)
    apply: tuple[str, ...] = Field(min_length=1)
    undo: tuple[str, ...] = ()
    touches: tuple[str, ...] = ()
    due: tuple[int, ...] = (3,)
    risk: Risk = "medium"
    restart: bool = True
    timeout_s: float = Field(default=120, gt=0, le=3600)

    @property
    def cause(self) -> str:
        """The cause that there is when its check says that it is needed."""
        return self.cures[0]


class Space(Frozen):
    """Files that may be removed when a file system is full: regular ones that *glob* matches.

    The newest *keep* of them stay, and what is younger than *older_than_days*. There is no way
    back: *what* tells a person what they are, *risk* what it means to lose them.
    """

    glob: str
    what: str = Field(min_length=1)
    keep: int = Field(default=1, ge=0)
    older_than_days: float = Field(default=0, ge=0)
    risk: Risk = "medium"

    @field_validator("glob")
    @classmethod
    def _names_few(cls, pattern: str) -> str:
        fixed = pattern[: min((pattern.find(c) for c in "*?[" if c in pattern), default=None)]
        if not _is_plain(pattern) or "**" in pattern or fixed.count("/") < 3:
            raise ValueError("must be absolute, with two folders before the first *, and no **")
        return pattern


class Health(Frozen):
    """When trouble is called trouble, and for how long health must hold before it counts."""

    every_s: float = Field(default=30, ge=1, le=604800)
    confirm: int = Field(default=3, ge=1, le=20)
    confirm_gap_s: float = Field(default=2, ge=0, le=60)
    ready_s: float = Field(default=30, ge=1, le=600)
    hold_s: float = Field(default=5, ge=0, le=600)
    free_percent: float = Field(default=2, ge=0, le=50)


class Limits(Frozen):
    """What may be done without asking a person, what is slower, and how much is kept."""

    risk: Risk = "medium"
    approve: Risk = "high"
    backups: int = Field(default=5, ge=1, le=100)
    failures: int = Field(default=3, ge=1)
    slower_times: float = Field(default=2, ge=1)
    slower_ms: float = Field(default=100, ge=0)
    runs: int = Field(default=20, ge=1, le=1000)


class Watch(Frozen):
    """Which logs are watched: the files that components name, the journal of their units, and
    those of *containers*, by name."""

    logs: bool = True
    journal: bool = True
    containers: tuple[str, ...] = ()


class AppSpec(Frozen):
    """One application under care."""

    name: AppName
    environment: str = "production"
    tenant: str = "default"
    host: HostSpec = HostSpec()
    code: CodeSpec | None = None
    data: DataSpec = DataSpec()
    components: tuple[Component, ...] = Field(min_length=1)
    cases: tuple[Case, ...] = Field(min_length=1)
    procedures: tuple[Procedure, ...] = ()
    space: tuple[Space, ...] = ()
    deploy: DeploySpec = DeploySpec()
    install: InstallSpec | None = None
    health: Health = Health()
    limits: Limits = Limits()
    watch: Watch = Watch()

    @field_validator("components")
    @classmethod
    def _known_reloads(cls, parts: tuple[Component, ...]) -> tuple[Component, ...]:
        for part in parts:
            for path in set(part.reloads) - set(part.config):
                raise ValueError(
                    f"component '{part.name}' reloads '{path}', which is not in config"
                )
        return parts

    @field_validator("components")
    @classmethod
    def _known_needs(cls, parts: tuple[Component, ...]) -> tuple[Component, ...]:
        names = [part.name for part in parts]
        if len(set(names)) != len(names):
            raise ValueError(f"two components share a name: {', '.join(names)}")
        for part in parts:
            unknown = [need for need in part.needs if need not in names]
            if unknown:
                raise ValueError(f"component '{part.name}' needs '{unknown[0]}', which is not one")
        return parts

    @field_validator("cases")
    @classmethod
    def _first_is_safe(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        if not cases[0].safe:
            raise ValueError(f"case '{cases[0].name}' is the first, which is sent at every look")
        return cases

    @model_validator(mode="after")
    def _known_runs(self) -> "AppSpec":
        names = [part.name for part in self.components]
        for name in self.code.runs if self.code else ():
            if name not in names:
                raise ValueError(f"code.runs names '{name}', which is not a component")
        for one in self.procedures:
            if one.component not in names:
                raise ValueError(f"procedure '{one.name}': no component '{one.component}'")
        return self

    @model_validator(mode="after")
    def _deployable(self) -> "AppSpec":
        if self.deploy != DeploySpec() and self.code is None:
            raise ValueError("deploy needs code.path")
        parts = {part.name for part in self.components}
        inside = f"{self.code.path}/" if self.code else "\0"
        for one in self.deploy.expect:
            if one.component and one.component not in parts:
                raise ValueError(f"deploy.expect: no component '{one.component}'")
            if one.file.startswith(inside):
                raise ValueError(f"deploy.expect: '{one.file}' is code: make it a rule")
            if one.set and one.sqlite not in self.data.sqlite:
                raise ValueError(f"deploy.expect: '{one.sqlite}' is not in data.sqlite")
        known = {one.name: one for one in self.procedures}
        for name in self.deploy.procedures:
            if name not in known:
                raise ValueError(f"deploy names '{name}', which is no procedure")
            if not (self.data.sqlite or known[name].undo):
                raise ValueError(
                    f"deploy runs '{name}', which could not be taken back: "
                    "name the database in data.sqlite, or give the procedure an undo"
                )
        return self

    @model_validator(mode="after")
    def _installable(self) -> "AppSpec":
        if self.install is None:
            return self
        if self.code is None:
            raise ValueError("install needs code.path")
        for unit in self.install.enable:
            if not self.install.brings(unit):
                raise ValueError(f"install.enable: no file of install.files is the unit '{unit}'")
        inside = tuple(f"{path}/" for path in (self.code.path, *self.install.folders))
        for path in self.data.sqlite:
            if not path.startswith(inside):
                raise ValueError(f"'{path}' must lie below code.path or one of install.folders")
        for file in self.install.files:
            if file.path.startswith(inside[0]):
                raise ValueError(f"install.files: '{file.path}' is code: bring it with the source")
        return self

    @model_validator(mode="after")
    def _absolute_paths(self) -> "AppSpec":
        more = [self.deploy.environment, *(one.file for one in self.deploy.expect)]
        if self.install is not None:
            more += [*self.install.folders, *(file.path for file in self.install.files)]
        logs = (path for part in self.components for path in (*part.logs, *part.access_logs))
        state = [self.host.state_dir] if self.host.state_dir else []
        for path in (*self.watched(), *filter(None, more), *logs, *state):
            if not _is_plain(path):
                raise ValueError(f"'{path}' is not an absolute path without '.', '..' and '//'")
        if self.code and self.code.path.count("/") < 2:
            raise ValueError(f"code.path '{self.code.path}' is too near the root of the host")
        return self

    def not_code(self) -> tuple[str, ...]:
        """Patterns for what lies in the code tree and is no code: what is excluded, and databases
        and logs, which are neither put back with the code nor deleted by a deployment."""
        if self.code is None:
            return ()
        data = [f"{path}{end}" for path in self.data.sqlite for end in SQLITE_ENDS]
        logs = [path for part in self.components for path in (*part.logs, *part.access_logs)]
        own = [re.sub(r"([*?[])", r"[\1]", path) for path in data]
        own += [f"{path}*" for path in logs]  # the rotated ones too
        inside = f"{self.code.path}/"
        patterns = (path.removeprefix(inside) for path in own if path.startswith(inside))
        return tuple(dict.fromkeys((*self.code.exclude, *patterns)))

    def watched(self) -> tuple[str, ...]:
        """Every path whose last good state is remembered."""
        code = (self.code.path,) if self.code else ()
        files = (path for part in self.components for path in part.files())
        return tuple(dict.fromkeys((*code, *files, *self.data.sqlite)))

    def places(self, part: Component) -> tuple[str, ...]:
        """Every path that *part* reads or writes, as far as it is declared."""
        runs = self.code is not None and (not self.code.runs or part.name in self.code.runs)
        code = (self.code.path, *self.data.sqlite) if self.code and runs else ()
        return tuple(dict.fromkeys((*part.files(), *part.logs, *code)))

    def config_files(self) -> tuple[str, ...]:
        """All configuration and settings files, once each, outside the code tree."""
        inside = f"{self.code.path}/" if self.code else "\0"
        files = (path for part in self.components for path in part.files())
        return tuple(dict.fromkeys(path for path in files if not path.startswith(inside)))

    def affected(self, paths: Iterable[str]) -> tuple[Component, ...]:
        """The components that must be restarted when *paths* change, what is needed first."""
        changed = frozenset(paths)
        inside = f"{self.code.path}/" if self.code else "\0"
        runs = self.code.runs if self.code else ()
        code = any(path.startswith(inside) for path in changed)
        data = not changed.isdisjoint(self.data.sqlite)
        return tuple(
            part
            for part in self.deepest_first()
            if changed.intersection(part.files())
            or ((code or data) and (not runs or part.name in runs))
        )

    def procedure(self, name: str) -> Procedure:
        """The procedure called *name*."""
        for one in self.procedures:
            if one.name == name:
                return one
        raise BadSpec(f"app {self.name}", f"no procedure '{name}'", "see its autoloop.toml")

    def component(self, name: str) -> Component:
        """The component called *name*."""
        for part in self.components:
            if part.name == name:
                return part
        raise BadSpec(f"app {self.name}", f"no component '{name}'", "see its autoloop.toml")

    def deepest_first(self) -> tuple[Component, ...]:
        """Components in the order in which a cause travels: what is needed before who needs it."""
        ordered: list[Component] = []
        seen: set[str] = set()

        def visit(part: Component) -> None:
            if part.name in seen:
                return
            seen.add(part.name)
            for need in part.needs:
                visit(self.component(need))
            ordered.append(part)

        for part in self.components:
            visit(part)
        return tuple(ordered)


def _is_plain(path: str) -> bool:
    """Whether *path* is absolute, names one thing in one way, and has no slash at its end."""
    start, *parts = path.split("/")
    return not start and bool(parts) and "\0" not in path and not {"", ".", ".."} & set(parts)


def parse_app(document: dict[str, Any], place: str) -> AppSpec:
    """The application in *document*, the parsed contents of an ``autoloop.toml``.

    Raises:
        BadSpec: naming the first wrong key of *place*, its value, and what is expected.
    """
    try:
        return AppSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or "the file"
        given, value = first["input"], ""
        if first["type"] != "missing" and isinstance(given, str | int | float):
            value = f" (got {redact_value(key, str(given))[:80]!r})"
        raise BadSpec(place, f"{key}: {first['msg']}{value}", "correct that line") from None
