"""Facts: what one look at the host gives, in one round trip, and how the answers are read."""

from typing import Any, Literal

from pydantic import Field

from autoloop.core.app import AppSpec, Component, Procedure
from autoloop.core.case import CaseResult, Reply
from autoloop.core.impact import Traffic, traffic_of
from autoloop.core.log_lines import in_order
from autoloop.core.manifest import is_apart, is_text
from autoloop.core.redact import redact, redact_value
from autoloop.core.service import ServiceState
from autoloop.core.settings_file import parse_settings
from autoloop.core.target import Answer, FileState, Read
from autoloop.core.words import Frozen

LOG_LINES = 60
LOG_CHARS = 12000
START_S = 5.0
RECENT_S = 900.0
DIRECT_S = 3
CHECK_S = 20
REACH_S = 3
ACCESS_BYTES = 256 << 10
"""The end of an access log that is read, when something is wrong."""

CLOCK_S = 60.0
"""Clocks that are less apart are the same to all who care: certificates, tokens, time servers."""


class Holder(Frozen):
    """A process that listens on a port."""

    port: int
    address: str
    pid: int = 0
    started: int = 0
    command: str = ""
    unit: str = ""
    uid: int = -1
    ancestors: tuple[int, ...] = ()


class SettingsDrift(Frozen):
    """How a settings file differs from its last good state; values are redacted."""

    missing: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    changed: dict[str, tuple[str, str]] = Field(default_factory=dict)

    def names(self) -> frozenset[str]:
        """All settings that differ."""
        return frozenset((*self.missing, *self.added, *self.changed))


class Drift(Frozen):
    """A watched path that is not as it was when all was well."""

    path: str
    good: FileState
    now: FileState
    settings: SettingsDrift | None = None


class DataLock(Frozen):
    """A process that holds a lock on a database file."""

    path: str
    kind: Literal["READ", "WRITE"]
    pid: int
    command: str = ""
    unit: str = ""


class Waiting(Frozen):
    """A session of the application that waits for a lock on *what*, and the session in its way."""

    what: str
    pid: int = 0
    user: str = ""
    program: str = ""
    seconds: int = 0


NOT_ASKED = "not asked"


class Reached(Frozen):
    """How far one gets from the host to a server that a component's settings name.

    *reached* is the last step that worked (``""``, ``name``, ``connection``, ``tls``, ``login``),
    *kind* what kind of failure the next one was; empty when there is none, and `NOT_ASKED` when
    the account could not be tried. What a server does not tell is empty or 0.
    """

    component: str
    setting: str
    scheme: str
    host: str
    port: int
    socket: str = ""  # the way there, where it is not host and port
    user: str = ""
    database: str = ""
    reached: str = ""
    kind: str = ""
    says: str = ""
    code: str = ""
    read_only: str = ""  # the server's setting by which it takes no changes of this account
    replica: bool = False
    connections: int = 0
    most: int = 0  # connections at once
    waits: tuple[Waiting, ...] = ()

    @property
    def server(self) -> str:
        """Host and port, or the socket."""
        return self.socket or f"{self.host}:{self.port}"

    @property
    def failed(self) -> bool:
        """Whether one does not get in. Of an account that could not be tried that is not known."""
        return self.kind not in ("", NOT_ASKED)


class Quota(Frozen):
    """A limit of less than a file system, in bytes."""

    whose: str
    used: int
    limit: int


class Disk(Frozen):
    """A file system that holds some of the application's *paths*; sizes in bytes."""

    place: str  # where it is mounted
    paths: tuple[str, ...] = ()
    free: int = 0  # for users that are not root
    total: int = 0
    inodes_free: int = 0
    inodes: int = 0  # 0: it does not count them
    quotas: tuple[Quota, ...] = ()


class Memory(Frozen):
    """What the processes of a service use, in bytes; what is shared is not counted."""

    bytes: int
    processes: int = 0
    biggest: int = 0
    command: str = ""  # of the biggest
    before: int | None = None  # the bytes of an earlier look


class OpenFiles(Frozen):
    """What a service's process that is nearest to its limit has open; *limit* 0: unknown."""

    used: int = 0
    limit: int = 0
    pid: int = 0


class Certificate(Frozen):
    """What a TLS port of the host shows; *starts* and *ends* in seconds since 1970, 0 unknown."""

    port: int
    subject: str = ""
    starts: float = 0.0
    ends: float = 0.0
    error: str = ""


class ComponentFacts(Frozen):
    """One component, seen from its manager, its ports, its own configuration test and its log."""

    service: ServiceState = ServiceState()
    config_ok: bool | None = None
    config_says: str = ""
    log: str = ""
    memory: Memory | None = None


class Facts(Frozen):
    """Everything a diagnosis of one application is made from."""

    components: dict[str, ComponentFacts]
    holders: tuple[Holder, ...] = ()
    drift: tuple[Drift, ...] = ()
    good: str = ""
    health: Reply = Reply()
    failing: tuple[CaseResult, ...] = ()
    direct: dict[str, Reply] = Field(
        default_factory=dict
    )  # component: its port asked, past any front
    due: dict[str, str] = Field(default_factory=dict)  # procedure: what its check named
    reach: tuple[Reached, ...] = ()
    locks: tuple[DataLock, ...] = ()
    open_files: dict[str, OpenFiles] = Field(default_factory=dict)
    damaged: dict[str, str] = Field(default_factory=dict)  # database: what is wrong with it
    disks: tuple[Disk, ...] = ()
    traffic: Traffic | None = None
    certificates: tuple[Certificate, ...] = ()
    now: float = 0.0  # by the host's clock, in seconds since 1970
    uptime: float = 0.0
    ahead: float = 0.0  # seconds by which that clock is surely ahead of the platform's
    synced: bool | None = None  # whether it follows a time server

    @property
    def clock_off(self) -> float:
        """Seconds by which the host's clock is ahead of the right time, negative when it is behind.

        0 where it is not by much, and where it follows a time server: then the platform's is wrong.
        """
        return 0.0 if self.synced or abs(self.ahead) < CLOCK_S else self.ahead

    @property
    def today(self) -> float:
        """The right time, as far as anybody knows."""
        return self.now if self.synced else self.now - self.ahead

    def of(self, part: Component) -> ComponentFacts:
        """What was seen of *part*; nothing, when it was not looked at."""
        return self.components.get(part.name, ComponentFacts())

    def on_port(self, port: int | None) -> tuple[Holder, ...]:
        """Who listens on *port*."""
        return tuple(holder for holder in self.holders if holder.port == port)

    def belongs(self, holder: Holder, part: Component) -> bool:
        """Whether a listener is a process of *part*'s service."""
        pid = self.of(part).service.pid
        return bool(pid) and (pid in holder.ancestors or holder.unit == part.unit)

    def serves(self, part: Component) -> bool:
        """Whether *part* runs, and owns its port if it has one."""
        if self.of(part).service.activity != "running":
            return False
        return part.port is None or any(self.belongs(h, part) for h in self.on_port(part.port))


def reads_for(spec: AppSpec) -> tuple[Read, ...]:
    """The one batch that `facts_from` understands, in its order."""
    texts = [part.settings for part in spec.components if part.settings]
    reads = [
        Read(op="facts"),
        Read(op="listeners"),
        Read(op="drift", args={"app": spec.name, "texts": texts}),
        health_read(spec),
        Read(op="disks", args={"paths": [p for c in spec.components for p in spec.places(c)]}),
        Read(op="certificates", args={"ports": [p for c in spec.components for p in c.tls]}),
    ]
    for part in spec.components:
        manager = part.service()
        reads.append(manager.state(part.unit))
        reads.append(Read(op="run", args={"argv": list(part.config_test) or ["true"]}))
        reads.append(manager.logs(part.unit, LOG_LINES) or Read(op="run", args={"argv": ["true"]}))
        reads.extend(log_read(path) for path in part.logs)
        reads.extend(memory_read(part))
    return tuple(reads)


def memory_read(part: Component) -> tuple[Read, ...]:
    """Asked only where it is declared how much it may be."""
    read = part.service().memory(part.unit) if part.memory_mb else None
    return (read,) if read else ()


def closer_reads_for(spec: AppSpec) -> tuple[Read, ...]:
    """The second batch, asked only when something is wrong; `closer` understands it."""
    ports = [
        Read(op="http", args={"url": f"http://127.0.0.1:{part.port}/", "timeout_s": DIRECT_S})
        for part in asked_directly(spec)
    ]
    servers = [
        Read(op="reach", args={"settings": part.settings, "timeout_s": REACH_S})
        for part in with_settings(spec)
    ]
    databases = [Read(op="sqlite_check", args={"path": path}) for path in spec.data.sqlite]
    locks = [Read(op="locks", args={"path": path}) for path in spec.data.sqlite]
    logs = [
        Read(op="file", args={"path": path, "limit": ACCESS_BYTES, "tail": True})
        for path in outer_access_logs(spec)
    ]
    files = [read for _, read in files_reads(spec)]
    return (*ports, *servers, *databases, *locks, *files, *logs)


def files_reads(spec: AppSpec) -> list[tuple[Component, Read]]:
    """The components whose manager knows their processes, and how their open files are asked."""
    asked = ((part, part.service().files(part.unit)) for part in spec.components)
    return [(part, read) for part, read in asked if read]


def outer_access_logs(spec: AppSpec) -> tuple[str, ...]:
    """The access logs nearest to the users: behind a front that logs, requests count once."""
    logging = [part for part in spec.components if part.access_logs]
    behind = {need for part in logging for need in part.needs}
    return tuple(path for part in logging if part.name not in behind for path in part.access_logs)


def with_settings(spec: AppSpec) -> list[Component]:
    """The components whose settings may name servers."""
    return [part for part in spec.components if part.settings]


def asked_directly(spec: AppSpec) -> list[Component]:
    """The components whose own port is asked: a database is no place for HTTP."""
    return [part for part in spec.components if part.port and part.http]


def closer(spec: AppSpec, facts: Facts, answers: tuple[Answer, ...]) -> Facts:
    """The facts with the answers to `closer_reads_for`; redacted as well."""
    parts, servers = asked_directly(spec), with_settings(spec)
    left = iter(answers)
    direct = {part.name: _reply(answer) for part, answer in zip(parts, left, strict=False)}
    reach = [
        _reached(part, row)
        for part, answer in zip(servers, left, strict=False)
        for row in (answer.value if answer.ok else ())
    ]
    damaged = {
        path: redact(answer.value["says"])
        for path, answer in zip(spec.data.sqlite, left, strict=False)
        if answer.ok and answer.value["sound"] is False
    }
    locks = tuple(
        _lock(path, row)
        for path, answer in zip(spec.data.sqlite, left, strict=False)
        for row in (answer.value if answer.ok else ())
    )
    open_files = {
        part.name: OpenFiles.model_validate(answer.value)
        for (part, _), answer in zip(files_reads(spec), left, strict=False)
        if answer.ok
    }
    traffic = traffic_of((a.value["text"] for a in left if a.ok), facts.now)
    found = {"direct": direct, "reach": tuple(reach), "damaged": damaged}
    found.update(locks=locks, open_files=open_files)
    return facts.model_copy(update={**found, "traffic": traffic})


def checked(facts: Facts, asked: tuple[Procedure, ...], answers: tuple[Answer, ...]) -> Facts:
    """The facts with what the checks of the procedures that were *asked* say."""
    said = {one.name: said_by(one, answer) for one, answer in zip(asked, answers, strict=True)}
    return facts.model_copy(update={"due": {name: words for name, words in said.items() if words}})


def said_by(procedure: Procedure, answer: Answer) -> str | None:
    """What its check says is to be done; "" when nothing is, None when it cannot tell."""
    if not answer.ok or answer.value["timed_out"]:
        return None
    if answer.value["code"] not in procedure.due:
        return "" if answer.value["code"] == 0 else None
    said = [line.strip() for line in answer.value["out"].splitlines() if line.strip()]
    return redact(said[-1])[:120] if said else procedure.name


def check_read(procedure: Procedure) -> Read:
    """The question that `said_by` reads the answer to."""
    return Read(op="run", args={"argv": list(procedure.check), "timeout_s": CHECK_S})


def _lock(path: str, row: dict[str, Any]) -> DataLock:
    kept = {name: row[name] for name in DataLock.model_fields if name in row}
    return DataLock(path=path, **{**kept, "command": redact(row.get("command", ""))})


def _reached(part: Component, row: dict[str, Any]) -> Reached:
    kept = {name: row[name] for name in Reached.model_fields if name in row}
    waits = tuple(map(_waiting, row.get("waits", ())))
    return Reached(component=part.name, **{**kept, "says": redact(row["says"]), "waits": waits})


def _waiting(row: dict[str, Any]) -> Waiting:
    """What a server says of itself, in its own words: any of it may be missing."""
    words = {name: redact(str(row.get(name) or ""))[:64] for name in ("what", "user", "program")}
    said = {name: str(row.get(name)) for name in ("pid", "seconds")}
    numbers = {name: int(digits) for name, digits in said.items() if digits.isdecimal()}
    return Waiting(**words, **numbers)


def health_read(spec: AppSpec) -> Read:
    """The first case, asked from the host itself."""
    case = spec.cases[0]
    args = {"url": case.url, "method": case.method, "headers": case.headers, "body": case.body}
    return Read(op="http", args={**args, "timeout_s": case.timeout_s})


def log_read(path: str) -> Read:
    """The end of a log file."""
    return Read(op="file", args={"path": path, "limit": 8192, "tail": True})


def facts_from(spec: AppSpec, answers: tuple[Answer, ...]) -> Facts:
    """Read the answers to `reads_for`; redacted, so that they may be stored and shown."""
    host, listeners, drift, health, disks, tls, *rest = answers
    clock = host.value if host.ok else {"time": 0.0}
    components: dict[str, ComponentFacts] = {}
    for part in spec.components:
        count = 3 + len(part.logs) + len(memory_read(part))
        own, rest = rest[:count], rest[count:]
        components[part.name] = _component(part, own, clock)
    return Facts(
        components=components,
        holders=tuple(_holder(row) for row in (listeners.value or [])) if listeners.ok else (),
        drift=_drift(spec, drift),
        good=drift.value["backup"] if drift.ok else "",
        health=_reply(health),
        disks=tuple(Disk.model_validate(row) for row in disks.value) if disks.ok else (),
        certificates=tuple(map(_certificate, tls.value)) if tls.ok else (),
        now=host.value["time"] if host.ok else 0.0,
        uptime=host.value["uptime"] if host.ok else 0.0,
        synced=host.value.get("synced") if host.ok else None,
    )


def timed(facts: Facts, asked: float, answered: float) -> Facts:
    """*facts* with how far the host's clock is surely from the one that said *asked* before the
    question and *answered* after the answer: in between, nothing is known."""
    if not facts.now:
        return facts
    near = min(max(facts.now, asked), answered)
    return facts.model_copy(update={"ahead": facts.now - near})


def _certificate(row: dict[str, Any]) -> Certificate:
    said = {"subject": redact(row["subject"]), "error": redact(row["error"])}
    return Certificate.model_validate({**row, **said})


def _reply(answer: Answer) -> Reply:
    if not answer.ok:
        return Reply(error=redact(answer.error))
    reply = Reply.model_validate(answer.value)
    shown = {"body": redact(reply.body[:4000]), "error": redact(reply.error)}
    return reply.model_copy(update=shown)


def _component(part: Component, own: list[Answer], clock: dict[str, Any]) -> ComponentFacts:
    state, test, journal, *rest = own
    files, memory = rest[: len(part.logs)], rest[len(part.logs) :]
    tested = bool(part.config_test) and test.ok
    logs = [a.value["out"] for a in (journal,) if a.ok] + [
        _whole_lines(a.value) for a in files if a.ok
    ]
    service = part.service().parse(state)
    since, well = _log_since(service, clock)
    return ComponentFacts(
        service=service,
        config_ok=test.value["code"] == 0 if tested else None,
        config_says=redact(test.value["err"] or test.value["out"])[-2000:] if tested else "",
        log=redact(in_order(logs, clock["time"], clock.get("offset_s", 0), since, well))[
            -LOG_CHARS:
        ],
        memory=_memory(memory[0]) if memory and memory[0].ok else None,
    )


def _log_since(service: ServiceState, clock: dict[str, Any]) -> tuple[float, float]:
    """Since when entries may speak of the trouble: what a service said before it was started, or
    long ago, is of another one. 0 for one that does not run: its last words count; with it, when
    that one last was well."""
    if not service.since:
        return 0.0, 0.0
    now = float(clock["time"])
    started = now - float(clock.get("uptime", 0.0)) + service.since
    if service.activity != "running":
        return 0.0, started
    return max(started - START_S, now - RECENT_S), 0.0


def _memory(answer: Answer) -> Memory:
    return Memory.model_validate({**answer.value, "command": redact(answer.value["command"])})


def with_earlier(facts: Facts, before: Facts) -> Facts:
    """*facts* with what an earlier look saw of memory."""
    parts = dict(facts.components)
    for name, part in facts.components.items():
        was = before.components.get(name, ComponentFacts()).memory
        if part.memory and was:
            memory = part.memory.model_copy(update={"before": was.bytes})
            parts[name] = part.model_copy(update={"memory": memory})
    return facts.model_copy(update={"components": parts})


def _whole_lines(tail: dict[str, Any]) -> str:
    """Without the line that the tail begins within: redaction could not know what it is."""
    text = str(tail["text"])
    return text.partition("\n")[2] if tail["size"] > len(text.encode()) else text


def _holder(row: dict[str, Any]) -> Holder:
    owner = row.get("owner") or {}
    return Holder(
        port=row["port"],
        address=row["address"],
        pid=owner.get("pid", 0),
        started=owner.get("started", 0),
        command=redact(owner.get("command", "")),
        unit=owner.get("unit", ""),
        uid=owner.get("uid", -1),
        ancestors=tuple(row.get("ancestors", ())),
    )


def _drift(spec: AppSpec, answer: Answer) -> tuple[Drift, ...]:
    if not answer.ok:
        return ()
    own = answer.value.get("sqlite", ())
    return tuple(
        Drift(
            path=row["path"],
            good=FileState.model_validate(row["good"]),
            now=FileState.model_validate(row["now"]),
            settings=_settings_drift(row) if "good_text" in row else None,
        )
        for row in answer.value["changes"]
        if is_text(row["path"]) and (row["path"] in own or not is_apart(spec, row["path"]))
    )


def _settings_drift(row: dict[str, Any]) -> SettingsDrift:
    good, now = parse_settings(row["good_text"]), parse_settings(row["now_text"])
    return SettingsDrift(
        missing=tuple(sorted(set(good) - set(now))),
        added=tuple(sorted(set(now) - set(good))),
        changed={
            key: (redact_value(key, good[key]), redact_value(key, now[key]))
            for key in sorted(set(good) & set(now))
            if good[key] != now[key]
        },
    )
