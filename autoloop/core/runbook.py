"""Commands for people: to look at a host, to decide, and to undo; complete as they stand."""

import shlex
from collections.abc import Iterator
from typing import Any

from autoloop.core.app import AppSpec, Component
from autoloop.core.case import Case
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.incident import Incident, State
from autoloop.core.remedy import Proposal
from autoloop.core.words import Frozen, Words

DISK = frozenset({"SERVICE.disk_full", "DATABASE.disk_full_db"})


class Command(Frozen):
    """One line for a shell of the platform's machine, and what it is for."""

    words: Words
    line: str


def on_host(spec: AppSpec, *argv: str) -> str:
    """The line that runs *argv* on the application's host."""
    inner = shlex.join(argv)
    if spec.host.address == "local":
        return inner
    key = ("-i", spec.host.identity_file) if spec.host.identity_file else ()
    port = ("-p", str(spec.host.port)) if spec.host.port != 22 else ()
    sudo = "sudo " if spec.host.sudo else ""
    target = f"{spec.host.user}@{spec.host.address}"
    return shlex.join(("ssh", *key, *port, target, f"{sudo}{inner}"))


def to_look(spec: AppSpec, diagnosis: Diagnosis) -> tuple[Command, ...]:
    """What tells more of the trouble and changes nothing."""
    names = {diagnosis.top.component, *diagnosis.impact.components}
    parts = [p for p in spec.components if p.name in names] or list(spec.components)
    lines = [one for part in parts for one in _of_component(spec, part)]
    lines += _of_host(spec, diagnosis)
    return (*lines, _of_cases(spec, diagnosis))


def _of_component(spec: AppSpec, part: Component) -> Iterator[Command]:
    status: tuple[str, ...] = ("systemctl", "status", "--no-pager", part.unit)
    log: tuple[str, ...] = ("journalctl", "-u", part.unit, "-n", "100", "--no-pager")
    if part.manager == "supervisord":
        status = (*part.supervisorctl, "status", part.unit)
        log = (*part.supervisorctl, "tail", "-10000", part.unit)
    say = Words(en=f"does {part.unit} run?", zh=f"{part.unit} 是否在运行？")
    yield Command(words=say, line=on_host(spec, *status))
    say = Words(en=f"what does {part.unit} say?", zh=f"{part.unit} 的日志")
    yield Command(words=say, line=on_host(spec, *log))
    for path in part.logs[:3]:
        say = Words(en=f"its log {path}", zh=f"日志文件 {path}")
        yield Command(words=say, line=on_host(spec, "tail", "-n", "100", path))
    if part.config_test:
        say = Words(en="is its configuration valid?", zh="配置是否有效？")
        yield Command(words=say, line=on_host(spec, *part.config_test))
    if part.port:
        say = Words(en=f"who holds port {part.port}?", zh=f"端口 {part.port} 被谁占用？")
        yield Command(words=say, line=on_host(spec, "ss", "-ltnp", f"sport = :{part.port}"))


def _of_host(spec: AppSpec, diagnosis: Diagnosis) -> list[Command]:
    say = Words(en="is there space left?", zh="磁盘空间是否充足？")
    lines = [Command(words=say, line=on_host(spec, "df", "-h"))]
    if diagnosis.top.name in DISK:
        say = Words(en="are there inodes left?", zh="inode 是否充足？")
        lines.append(Command(words=say, line=on_host(spec, "df", "-i")))
    say = Words(en="is there memory left?", zh="内存是否充足？")
    return [*lines, Command(words=say, line=on_host(spec, "free", "-m"))]


def _of_cases(spec: AppSpec, diagnosis: Diagnosis) -> Command:
    """The first failing case, asked by hand where it holds no secret; else all of them by us."""
    failing = [c for c in spec.cases if c.name in diagnosis.impact.cases_failing]
    if failing and _is_open(failing[0]):
        say = Words(en=f"case {failing[0].name}, by hand", zh=f"手动执行用例 {failing[0].name}")
        return Command(words=say, line=on_host(spec, "curl", "-i", "-m", "5", failing[0].url))
    say = Words(en="every case, and what fails", zh="执行所有用例")
    return Command(words=say, line=f"autoloop test --app {spec.name}")


def _is_open(case: Case) -> bool:
    return case.method == "GET" and not case.headers and "{" not in case.url


def to_decide(spec: AppSpec, incident: Incident) -> tuple[Command, ...]:
    """What a person can have done about it."""
    name = spec.name
    lines = []
    if incident.state == State.AWAITING_APPROVAL:
        yes, no = Words(en="do as planned", zh="批准方案"), Words(en="do nothing", zh="拒绝方案")
        lines.append(Command(words=yes, line=f"autoloop approve {incident.id}"))
        lines.append(Command(words=no, line=f"autoloop approve {incident.id} --reject"))
    say = Words(
        en="put code and configuration back to the state last proved good (data stays)",
        zh="将代码和配置恢复到最近一次验证正常的状态（不含数据）",
    )
    lines.append(Command(words=say, line=f"autoloop restore good --app {name}"))
    say = Words(en="or choose another backup", zh="或选择其他备份")
    lines.append(Command(words=say, line=f"autoloop backups --app {name}"))
    say = Words(
        en="have it tried again, after a part was mended by hand", zh="手动处理后，再次自动修复"
    )
    again = shlex.join(("autoloop", "fix", "--app", name, "--error", "…"))
    lines.append(Command(words=say, line=again))
    say = Words(
        en="when all is well, the next health check closes this incident; to see at once",
        zh="恢复正常后，下一次健康检查会关闭此事件；立即查看",
    )
    return (*lines, Command(words=say, line=f"autoloop test --app {name}"))


def unseen(spec: AppSpec, incident: Incident) -> Words:
    """What was not looked at when all cases pass although somebody reported trouble: the user it
    is about may have no case, and what no case asks nobody has seen."""
    whom = incident.fields.get("username", "")
    if not whom:
        asked = ", ".join(case.name for case in spec.cases)
        return Words(
            en=f"only what the cases ask was looked at: {asked}. If it is still so, declare a case "
            "that shows it in autoloop.toml, and register it again",
            zh=f"仅检查了已声明的用例：{asked}。如果问题仍然存在，请在 autoloop.toml 中声明"
            "能够重现问题的用例，然后重新注册",
        )
    tried = [case.name for case in spec.cases if case.body and whom in _strings(case.body)]
    if tried:
        return Words(
            en=f"case '{tried[0]}' logs in as {whom}, and passes: the account is there and works "
            "with the password that the case knows",
            zh=f"用例“{tried[0]}”以 {whom} 登录并通过：该账户存在，用例中的密码可以登录",
        )
    return Words(
        en=f"no case logs in as {whom}, so whether that login works was not seen. Declare such a "
        "case in autoloop.toml, or a procedure that checks the account",
        zh=f"没有用例以 {whom} 登录，因此未能确认该登录是否正常。请在 autoloop.toml 中声明"
        "这样的用例，或声明检查该账户的处理程序",
    )


def _strings(body: Any) -> list[str]:
    """Every string in the body of a case."""
    if isinstance(body, dict):
        return [each for value in body.values() for each in _strings(value)]
    if isinstance(body, list):
        return [each for value in body for each in _strings(value)]
    return [body] if isinstance(body, str) else []


def to_undo(spec: AppSpec, proposal: Proposal, backup: str) -> tuple[Command, ...]:
    """How what was kept of *proposal* is taken back."""
    say = Words(
        en="code and configuration as they were before the repair, trouble included; data stays",
        zh="将代码和配置恢复到修复之前（包括故障，不含数据）",
    )
    restore = f"autoloop restore {shlex.quote(backup)} --app {spec.name}"
    lines = [Command(words=say, line=restore)] if backup else []
    for planned in reversed(proposal.actions):
        if planned.inverse is not None:
            say = Words(en="the inverse of a command", zh="撤销命令")
            lines.append(Command(words=say, line=on_host(spec, *planned.inverse.argv)))
    return tuple(lines)
