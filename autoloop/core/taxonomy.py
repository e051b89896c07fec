"""The names of errors: classes, their subtypes, what each means, and how severe it is by itself.

Names are fixed: the API, the reports and the arena use them. People may write them in any case, in
English or Chinese, as a class (``login``, ``登录``) or in full (``LOGIN.wrong_password``).
"""

from types import MappingProxyType
from typing import Literal

from autoloop.core.errors import BadRequest
from autoloop.core.words import Frozen, Words

Severity = Literal["P0", "P1", "P2"]


class Kind(Frozen):
    """A subtype: what it means, and its severity as long as nothing is known of its impact."""

    words: Words
    severity: Severity


def _kind(severity: Severity, en: str, zh: str) -> Kind:
    return Kind(words=Words(en=en, zh=zh), severity=severity)


CLASSES = MappingProxyType(
    {
        "DATABASE": Words(en="database", zh="数据库"),
        "CODE": Words(en="code", zh="代码"),
        "CONFIG": Words(en="configuration", zh="配置"),
        "SERVICE": Words(en="service", zh="服务"),
        "LOGIN": Words(en="login", zh="登录"),
    }
)

KINDS = MappingProxyType(
    {
        "DATABASE.connection_error": _kind(
            "P0", "the database cannot be reached", "无法连接数据库"
        ),
        "DATABASE.data_corruption": _kind(
            "P0", "data of the database is damaged", "数据库数据损坏"
        ),
        "DATABASE.schema_mismatch": _kind(
            "P1", "code and database schema do not fit", "代码与数据库结构不一致"
        ),
        "DATABASE.user_not_found": _kind("P1", "a needed account is missing", "缺少所需的账户"),
        "DATABASE.auth_failed_db": _kind("P1", "the database refuses the login", "数据库拒绝登录"),
        "DATABASE.too_many_connections": _kind(
            "P0", "the database has no connection left", "数据库连接数已满"
        ),
        "DATABASE.deadlock_or_lock_timeout": _kind(
            "P1", "transactions wait for each other's locks", "数据库死锁或锁等待超时"
        ),
        "DATABASE.disk_full_db": _kind(
            "P0", "the database cannot write: no space", "数据库磁盘空间不足"
        ),
        "DATABASE.read_only_db": _kind("P1", "the database refuses writes", "数据库只读"),
        "DATABASE.slow_query_timeout": _kind("P1", "a query takes too long", "查询过慢或超时"),
        "CODE.syntax_error": _kind("P1", "the code does not parse", "代码语法错误"),
        "CODE.import_error": _kind("P1", "a module cannot be imported", "模块无法导入"),
        "CODE.runtime_error": _kind("P1", "the code fails while it runs", "代码运行时错误"),
        "CODE.logic_error": _kind("P1", "the code gives a wrong result", "代码逻辑错误"),
        "CODE.encoding_error": _kind("P2", "text cannot be decoded", "编码错误"),
        "CONFIG.env_missing": _kind("P1", "a setting is missing", "缺少配置项"),
        "CONFIG.wrong_port": _kind("P1", "an address or a port is wrong", "地址或端口配置错误"),
        "CONFIG.auth_failed": _kind(
            "P1", "a credential between services is refused", "服务间凭据被拒绝"
        ),
        "CONFIG.invalid_config_file": _kind("P1", "a configuration is invalid", "配置文件无效"),
        "CONFIG.permission_denied": _kind("P1", "an access right is missing", "权限不足"),
        "CONFIG.missing_file": _kind("P1", "a file is missing", "文件缺失"),
        "CONFIG.wrong_clock": _kind("P1", "a host's clock is wrong", "主机时钟错误"),
        "CONFIG.cors_or_host_not_allowed": _kind(
            "P2", "an origin or host is not allowed", "跨域或主机名未被允许"
        ),
        "SERVICE.service_down": _kind("P0", "a service does not run", "服务未运行"),
        "SERVICE.port_blocked": _kind("P0", "a port is taken", "端口被占用"),
        "SERVICE.memory_leak": _kind("P0", "memory runs out", "内存泄漏或耗尽"),
        "SERVICE.timeout": _kind("P1", "something takes too long to answer", "响应超时"),
        "SERVICE.disk_full": _kind("P0", "the disk is full", "磁盘已满"),
        "SERVICE.cpu_overload": _kind("P1", "the processor is overloaded", "CPU 过载"),
        "SERVICE.too_many_open_files": _kind("P1", "too many files are open", "打开的文件过多"),
        "SERVICE.upstream_unreachable": _kind(
            "P0", "a proxy cannot use its backend", "代理无法访问后端"
        ),
        "SERVICE.dns_failure": _kind("P1", "a name does not resolve", "域名无法解析"),
        "SERVICE.tls_certificate": _kind("P1", "a certificate is not accepted", "证书无效或过期"),
        "SERVICE.rate_limited": _kind("P2", "requests are throttled", "请求被限流"),
        "SERVICE.crash_loop": _kind("P0", "a service keeps crashing", "服务反复崩溃"),
        "LOGIN.wrong_password": _kind("P2", "an end user's login is refused", "用户登录被拒绝"),
        "LOGIN.user_not_exist": _kind("P2", "an end user's account is unknown", "用户账户不存在"),
        "LOGIN.token_expired": _kind("P2", "a session or token has expired", "会话或令牌已过期"),
        "LOGIN.token_invalid": _kind("P2", "a token is missing or malformed", "令牌缺失或无效"),
        "LOGIN.account_locked": _kind("P2", "an account is locked", "账户被锁定"),
        "LOGIN.permission_role": _kind("P2", "an account may not do this", "账户权限不足"),
    }
)

BLAMED = MappingProxyType(
    {
        "DATABASE": "table",
        "CODE": "file",
        "CONFIG": "setting",
        "SERVICE": "component",
        "LOGIN": "username",
    }
)
"""The field of a report that names what is to blame, for each class."""

_ENDINGS = MappingProxyType(
    {
        "NONE.benign": _kind("P2", "nothing is wrong", "没有错误"),
        "UNKNOWN.unknown": _kind("P1", "the cause is not known", "原因未知"),
    }
)


def meaning(name: str) -> Words:
    """What the error called *name* means, in both languages."""
    found = KINDS.get(name) or _ENDINGS.get(name)
    return found.words if found else Words(en=name, zh=name)


def kinds_of(error_class: str) -> tuple[str, ...]:
    """The subtypes of a class, without the class."""
    return tuple(n.partition(".")[2] for n in KINDS if n.startswith(f"{error_class}."))


def default_severity(name: str) -> Severity:
    """How severe *name* is, as long as nothing is known of its impact."""
    found = KINDS.get(name) or _ENDINGS.get(name)
    return found.severity if found else "P1"


def type_of(said: str) -> str:
    """The class or full name that *said* means; empty for an empty one.

    Raises:
        BadRequest: there is none such; the message lists those there are.
    """
    if not (wanted := _folded(said)):
        return ""
    if wanted in _BY_WORD:
        return _BY_WORD[wanted]
    first = wanted.split(".")[0]
    inside = _BY_WORD.get(first, "").split(".")[0]
    known = [name for name in KINDS if name.startswith(f"{inside}.")] if inside else list(CLASSES)
    there = ", ".join(known if inside else (f"{n} ({w.zh})" for n, w in CLASSES.items()))
    step = "write one of them, or leave the type out"
    raise BadRequest("type", f"'{said.strip()[:80]}' is not known; there is: {there}", step)


def _folded(word: str) -> str:
    """Case, spaces, dashes and the kind of dot do not count."""
    flat = "_".join(word.strip().lower().replace("-", "_").split())
    return flat.replace("。", ".").replace("：", ".").replace(":", ".")


def _by_word() -> dict[str, str]:
    """Everything that a type may be written as, folded."""
    names: dict[str, str] = {}
    for name, words in CLASSES.items():
        for said in (name, words.en, words.zh, f"{name}_error", f"{words.zh}错误"):
            names[_folded(said)] = name
    for name, kind in KINDS.items():
        _, _, subtype = name.partition(".")
        for said in (name, subtype, kind.words.zh):
            names.setdefault(_folded(said), name)
    names.update(db="DATABASE", 登陆="LOGIN", 設定="CONFIG", 程序="CODE")
    return names


_BY_WORD = MappingProxyType(_by_word())
