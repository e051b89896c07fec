"""Sentences that the product writes down in English, and how they read in Chinese.

What is stored (reasons of transitions, evidence, checks) is English; it is translated when a report
is written. A template has ``{}`` where words vary; what stands there is translated as well.
"""

import re
from functools import cache

from autoloop.core.words import Language

LONGEST = 1000
DEEPEST = 3

CATALOGUE = {
    # how trouble came in
    "found by a health check": "由健康检查发现",
    "reported through {} by {}": "由 {1} 通过{0}报告",
    "reported through {}": "通过{0}报告",
    "the command line": "命令行",
    "the API": " API ",
    "Python": " Python ",
    "a log": "日志",
    "an alert": "告警",
    "a webhook": " webhook ",
    "the Prefect UI": " Prefect 界面",
    # reasons of transitions
    "a run has taken it up": "已开始处理",
    "diagnosis: {}": "诊断：{0}",
    "nothing is wrong on the host": "主机上没有发现问题",
    "no remedy may be used without a person": "没有可以自动执行的修复措施",
    "plan {}: {}": "方案 {0}：{1}",
    "{}: autoloop approve {}": "{0}：autoloop approve {1}",
    "{}; without a running platform nobody can approve": "{0}；平台未运行，无人可以批准",
    "its risk is {}; {} allows {} without a person": "风险为 {0}；环境 {1} 无人批准时最多允许 {2}",
    "its risk is {}; in {} nobody may approve more than {}": (
        "风险为 {0}；环境 {1} 最多只能批准 {2}"
    ),
    "rejected by {}: {}": "被 {0} 拒绝：{1}",
    "rejected by {}": "被 {0} 拒绝",
    "plan {} is approved by {}: {}": "方案 {0} 由 {1} 批准：{2}",
    "plan {} is approved by {}": "方案 {0} 由 {1} 批准",
    "rejected {}": "已拒绝：{0}",
    "plan {} is approved {}": "方案 {0} 已批准：{1}",
    "by {}: {}": "{0}，{1}",
    "by {}": "{0}",
    "{}, backup {}": "{0}，备份 {1}",
    "{} is proved": "{0} 已通过验证",
    "{} was put back: {}": "{0} 已回滚：{1}",
    "every remedy was tried and put back": "所有修复措施均已尝试并回滚",
    "well again; not by a remedy": "已恢复正常，并非由修复措施所致",
    "looked back: {}": "回溯原因：{0}",
    "past repairs": "以往的修复",
    "repairs of this cause here: {} proved, {} put back": (
        "此处针对该原因的修复：{0} 次通过验证，{1} 次已回滚"
    ),
    "nothing on the host tells why": "主机上没有可说明原因的记录",
    "still so": "问题仍然存在",
    "its run was deleted": "其运行记录已被删除",
    "its run ended as {}: {}": "其运行以 {0} 结束：{1}",
    "no message": "无说明",
    "{}; putting back failed as well: {}": "{0}；回滚也失败了：{1}",
    "the mail was given up: {}": "邮件已放弃发送：{0}",
    "the mail is not sent yet, and tried again: {}": "邮件尚未发出，将重试：{0}",
    "mailed the report; refused: {}": "报告已发送邮件；被拒收：{0}",
    "mailed the report{}": "报告已发送邮件{0}",
    "mailed the report": "报告已发送邮件",
    # cases and checks
    "case {}: {}": "用例 {0}：{1}",
    "case {}": "用例 {0}",
    "cases": "用例",
    "{} of {} pass": "{1} 项中 {0} 项通过",
    "no answer: {}": "无响应：{0}",
    # disks, memory, databases
    "memory of {}": "{0} 的内存",
    "{}, result {}, {} restarts in a row": "状态 {0}，结果 {1}，连续重启 {2} 次",
    "{} processes use {}, {} shortly before; allowed are {} MB; the biggest, with {}: {}": (
        "{0} 个进程占用 {1}，稍早为 {2}；允许 {3} MB；最大的进程占用 {4}：{5}"
    ),
    "{} processes use {}; allowed are {} MB; the biggest, with {}: {}": (
        "{0} 个进程占用 {1}；允许 {2} MB；最大的进程占用 {3}：{4}"
    ),
    "{} of {} free, {} of {} files": "可用 {0}，共 {1}；可用文件数 {2}，共 {3}",
    "{} of {} free": "可用 {0}，共 {1}",
    "{}: {} rows read, {} from the last good copy, unknown how many lost": (
        "{0}：读出 {1} 行，取自最近正常副本 {2} 行，丢失行数未知"
    ),
    "{}: {} rows read, {} from the last good copy, {} lost": (
        "{0}：读出 {1} 行，取自最近正常副本 {2} 行，丢失 {3} 行"
    ),
    "all rows of all {} tables can be read": "全部 {0} 个表的所有行均可读取",
    "timed out": "超时",
    "status {}, expected {}": "状态码 {0}，应为 {1}",
    "took {} ms, allowed {} ms": "耗时 {0} 毫秒，最多允许 {1} 毫秒",
    "{} characters, expected at least {}": "{0} 个字符，至少应有 {1} 个",
    "the answer does not contain {}": "响应中没有 {0}",
    "{} is {}, expected {}": "{0} 为 {1}，应为 {2}",
    "content of {}": "{0} 的内容",
    "is {}": "当前为 {0}",
    "cause {} is gone": "原因 {0} 已消除",
    "still confirmed": "仍然存在",
    "{} serves": "{0} 正常提供服务",
    "does not run or answer": "未运行或无响应",
    "apply": "执行",
    "place": "放置文件",
    "rules of the code": "代码规则",
    "procedure {} has nothing to do": "处理程序 {0} 无需执行",
    "value of {}": "{0} 的值",
    "action {} failed: {}": "第 {0} 步操作失败：{1}",
    # evidence: where from
    "log of {}": "{0} 的日志",
    "front log": "前端日志",
    "health case": "健康用例",
    "check of {}": "{0} 的检查",
    "listening sockets": "监听端口",
    "from the host to {}": "从主机到 {0}",
    "text, line {}": "文本第 {0} 行",
    "meaning": "含义",
    "likeness": "相似",
    "look next at": "下一步查看",
    "reported type": "报告的类型",
    "run": "运行",
    # evidence: what was seen
    "{} is gone since the last good state": "{0} 自正常状态后消失",
    "is gone since the last good state": "自正常状态后消失",
    "{} is new since the last good state": "{0} 是最近一次正常之后新增的",
    "is gone since all was well": "自最近一次正常之后已不存在",
    "was replaced by another, much emptier one since all was well": (
        "自最近一次正常之后被另一个几乎为空的文件替换"
    ),
    "process {} of {} holds it for writing: {}": "{1} 的进程 {0} 持有其写锁：{2}",
    "process {} holds it for writing: {}": "进程 {0} 持有其写锁：{1}",
    "{} sessions of {} wait for {}, {} s so far": "{1} 的 {0} 个会话在等待 {2}，已 {3} 秒",
    "process {} of {} is in their way": "被 {1} 的进程 {0} 挡住",
    "who is in their way is not told to this account": "该账户无权得知是谁挡住了它们",
    "its setting {} is on, and it follows another server": "其设置 {} 已开启，且它是从库",
    "its setting {} is on": "其设置 {} 已开启",
    "{} of {} connections are in use": "{1} 个连接中已用 {0} 个",
    "process {} has {} of {} files open": "进程 {0} 已打开 {1} 个文件，上限 {2}",
    "{} is {}, result {}, status {}": "{0} 状态为 {1}，结果 {2}，退出码 {3}",
    "listens on {} port {}": "监听 {0} 端口 {1}",
    "has its port": "占有其端口",
    "differs from the last good state": "与正常状态不同",
    "{}: {}: its secret has changed": "{0}：{1}：其中的密码已改变",
    "port {}": "端口 {0}",
    "the certificate of {} is good from {} to {}; it is {}": (
        "{0} 的证书有效期为 {1} 至 {2}；现在是 {3}"
    ),
    "clock of the host": "主机时钟",
    "certificate": "证书",
    "{} ahead of the platform's": "比平台时钟快 {0}",
    "{} behind the platform's": "比平台时钟慢 {0}",
    "{}; it follows no time server": "{0}；未与时间服务器同步",
    "{} days": "{0} 天",
    "{} hours": "{0} 小时",
    "{} minutes": "{0} 分钟",
    "{} seconds": "{0} 秒",
    "port {}: the certificate of {} is good by the platform's clock, not by the host's": (
        "端口 {0}：{1} 的证书按平台时钟有效，按主机时钟无效"
    ),
    "port {}: the certificate of {} is good by the host's clock only": (
        "端口 {0}：{1} 的证书仅按主机时钟有效"
    ),
    "{}: the certificate of {}, as this host sees it: {}": "{0}：本机看到的 {1} 的证书：{2}",
    "quota of {}: {} of {} used": "{0} 的配额：已用 {1}，上限 {2}",
    "subvolume {}": "子卷 {0}",
    "has room: {}": "仍有空间：{0}",
    "is new": "为新增",
    "{}: was {}, is {}": "{0}：原为 {1}，现为 {2}",
    "was {}, is {}": "原为 {0}，现为 {1}",
    "port {} is held by process {} of unit {}: {}": "端口 {0} 被单元 {2} 的进程 {1} 占用：{3}",
    "port {} is held by process {} of no unit: {}": "端口 {0} 被不属于任何单元的进程 {1} 占用：{2}",
    "port {} is held by process {} of {}: {}": "端口 {0} 被 {2} 的进程 {1} 占用：{3}",
    "{}, result {}, restarts {}": "{0}，结果 {1}，重启 {2} 次",
    "runs as process {}, but nothing of it listens on port {}": "以进程 {0} 运行，但未监听端口 {1}",
    "the health case got {}": "健康用例得到 {0}",
    "asked on port {}, it did not answer: {}": "访问端口 {0} 无响应：{1}",
    # before and after
    "as in the last good state": "与正常状态一致",
    "any": "任意状态",
    "ended": "已结束",
    # states
    "open": "已打开",
    "diagnosing": "诊断中",
    "planned": "已有方案",
    "awaiting approval": "等待批准",
    "repairing": "修复中",
    "proving": "验证中",
    "rolled back": "已回滚",
    "closed": "已关闭",
    "asked a person": "需要人工处理",
    "ignored": "无需处理",
    "running": "运行中",
    "starting": "启动中",
    "stopped": "已停止",
    "failed": "失败",
    "missing": "不存在",
    "unknown": "未知",
    # effects
    "file": "文件",
    "tree": "目录",
    "package": "软件包",
    "unit": "服务单元",
    "process": "进程",
    "listener": "监听端口",
    "rows": "数据行",
    "schema": "数据库结构",
    "setting": "配置项",
    "permission": "权限",
    "user": "用户",
    "external": "外部调用",
}


def translated(text: str, language: Language, depth: int = 0) -> str:
    """*text* in *language*; as it is where it is none of the product's own sentences."""
    if language == "en" or len(text) > LONGEST or depth > DEEPEST:
        return text
    if text in CATALOGUE:
        return CATALOGUE[text].strip()
    for pattern, chinese in _patterns():
        if found := pattern.fullmatch(text):
            slots = [_slot(each, language, depth) for each in found.groups()]
            return chinese.format(*slots).strip()
    return text


def _slot(text: str, language: Language, depth: int) -> str:
    """What stands in a slot; words of one letter or a name are left alone."""
    return CATALOGUE.get(text) or translated(text, language, depth + 1)


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """The templates with slots, those with most fixed words first."""
    templates = sorted((t for t in CATALOGUE if "{}" in t), key=_fixed, reverse=True)
    return tuple((re.compile(_pattern(t), re.DOTALL), CATALOGUE[t]) for t in templates)


def _fixed(template: str) -> int:
    return len(template.replace("{}", ""))


def _pattern(template: str) -> str:
    return "(.+?)".join(re.escape(part) for part in template.split("{}"))
