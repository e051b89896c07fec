"""Marks: the words of which a line needs one to be looked at. Coarse on purpose.

A mark is bytes in lower case; ASCII letters match in any case, other bytes as they are. All
engines find the same lines with them. What a marked line means is decided afterwards.
"""

MARKS = tuple(
    word.encode("utf-8")
    for word in (
        # what programs call it
        "error", "errno", "exception", "fail", "fatal", "critical", "panic", "traceback",
        "emerg]", "<emerg>", "[alert]", "severe", "stack trace", "uncaught", "unhandled",
        "rejection", "assertion", "caused by", "sigsegv", "sigkill", "sigabrt", "signal 9",
        # what does not work
        "cannot ", "can't ", "can not ", "could not", "couldn't", "unable to", "not able to",
        "refused", "denied", "rejected", "forbidden", "unauthorized", "not permitted",
        "unreachable", "timed out", "timeout", "time-out", "no route", "no such", "not found",
        "does not exist", "doesn't exist", "is missing", "missing ", "undefined", "unexpected",
        "unknown", "invalid", "illegal", "malformed", "not valid", "unrecognized", "unresolved",
        "unsupported", "violat", "mismatch", "incompatible", "conflict", "duplicate", "not a ",
        # what broke
        "corrupt", "crash", "abort", "killed", "core dumped", "segfault", "segmentation",
        "broken pipe", "reset by peer", "connection reset", "connection closed", "hang up",
        "deadlock", "lock wait", "semaphore wait", "locked", "blocked", "overload", "overflow",
        "leak", "exited with", "exit code", "exit status", "restart counter", "back-off", "backoff",
        "unavailable", "bad gateway", "gateway time", "dead", "offline", "lost connection",
        # what ran out
        "out of ", "oom", "no memory", "no space", "disk full", "is full", "quota", "exhaust",
        "exceed",
        "too many", "too large", "too long", "expired", "too low", "insufficient", "enospc",
        "not enough", "excess", "max number of", "slots are reserved", "too high", "too quickly",
        "resource limit", "above the", "could only", "outofspace", "fd limit", "load average",
        "overhead, spent", "gave up", "giving up",
        "no upstream", "no resolver", "config should", "data not exist",
        # what is not as it must be
        "readonly", "read-only", "read only", "unbound", "not set", "not match", "enotfound",
        "there is no ", "there is already", "already exists", "not specified", "wrongtype",
        "bad connection", "still waiting for", "detected stall", "warning: cpu:", "err!",
        "pm.max_children", "only administrators", "code=401", "not logged in",
        "no server", "slow query", "duration: ", "not allowed", "permission", "not provided",
        "sudoers", "err=49", "is required", "no longer ", "no valid ", "banned", "suspended",
        "didn't", "did not ", "does not ", "already serving", "not trusted", "aaaa record",
        " times in ", "to lost", "instancedown", "harakiri", "' expected", "data race",
        "not an ", "on null", "but not invoked", "not ok ", "must both", "must have a",
        "badstatus", "parseable", "notready", " exited ", "closing because",
        "not running", "not reachable", "inequivalent", "maxactive", "aadsts", "-file-priv",
        "limit reached", " is busy", "too stale", "no leader",
        ";critical;", ";down;", "connlimit", "appoffline", "appshutdown", "queuefull", "deny(",
        "hung on", "bad file mode", "insecure ", "not defined", "doesn't match", "no certificate",
        "idle=0, waiting", "null value in", "no usable ", "ratelimit", "process limit",
        "redis disc", "mongodb disc", "mongoose disc", "database disc", "100% /", "percent full",
        "circuit breaker", "circuitbreaker", "keeps growing", "%cpu(s): 9", "%cpu(s):100",
        "cpuhog", "already in use", "not completed",
        "rate-limiting", "not renewed", "not restored", "nospace", "to [red]", "pause full",
        "expiring ", "eviction manager", "ms - 429", "ms - 50", "non-primary", "script detected",
        "degradedarray", "unreadable (", "uncorrectable", "rabbit on node", "shrinking isr",
        "fault state", "been active for [", "kod rate", "process_limit", " gc in ",
        "last successful send", "heartbeat has been", "node-left", "will be fenced", "flow control",
        "stuck", "abnormal", "limiting re", "delaying re", "https client", "soft lockup",
        # codes
        '" 50', 'status":5', '"status": 5', '"status":"5', 'status_code":5', 'statuscode":5',
        "status=5", '" 429 ', '"status":429', '"status":401', "| 401 |", "| 429 |", "| 500 |",
        "| 502 |", "| 503 |", "| 504 |", " sc-- ", " sh-- ", " ph-- ",
        " sd-- ", "<nosrv>",
        '"level":50', '"level":60', " e/", "ora-", "sqlstate", "econn", "etimedout", "enoent",
        "eacces", "eaddrinuse", "0x8007",
        # other languages
        "错误", "失败", "异常", "无法", "不能", "拒绝", "超时", "崩溃", "找不到",
        "不存在", "未找到", "不足", "已满", "死锁", "慢查询", "缺少", "违反", "未设置",
        "没有权", "没有访问", "过多", "过高", "频繁", "锁定", "无权", "信任", "不正确",
        "不允许", "被拒", "极高", "无效", "非法", "丢失", "损坏", "过期", "冲突",
        "上限", "超出", "已存在", "没有写", "不在", "失效", "停用", "未注册", "不一致",
        "其他设备", "查无", "只有管理员", "请先登录", "中断", "报错", "占用", "不平",
        "錯誤", "失敗", "無法", "異常", "拒絕",
        "未通过", "尚未配置",
        "未结束", "未完成", "熔断", "使用率达", "扩容", "获取不到", "流控",
        "未检测到", "未读取到", "读取不到", "未安装", "未注册", "截断", "失联", "为空",
        "没有[", "没有记录", "无可用", "超过阈值", "强制终止", "重复",
        "吃满", "跑满", "填错", "写错", "不是合法",
        "不可写", "持续上", "没回", "居高不下", "白名单",
        "太多", "只可读", "终止连线", "意外", "已经存在", "不匹配", "未认可", "黑名单",
        "时效已过", "对方重", "没有与主机名",
        "等待线程", "差异", "权限", "未预期", "无响应", "剩余 -", "未恢复", "未启动",
        "逾時", "損壞", "エラー", "例外", "오류", "실패",
        "fehler", "kann nicht", "nicht gefunden", "nicht bekannt", "abgelehnt",
        "keine berechtigung", "kein speicherplatz", "zeitüberschreitung", "erreur", "échec",
        "impossible", "ошибка", "Ошибка", "ОШИБКА",
        "espacio en el dispositivo", "o dispon", "aucun espace", "bereits verwendet", "em uso",
        "zu viele", "demasiados", "trop de fichiers", "rehusada", "recusada", "connexion refus",
        "no existe", "inexistente", "aucun fichier", "denegado", "negada", "отказано",
        "не осталось", "уже используется", "нет такого", "拒否", "空き領域", "거부",
    )
)  # fmt: skip
