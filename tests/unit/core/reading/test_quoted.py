"""What only tells of trouble: comments, commits, release notes, tables."""

import pytest

from autoloop.core.diagnosis import BENIGN
from autoloop.core.reading import SignatureEngine


@pytest.mark.parametrize(
    "text",
    [
        "// TODO: try again when the connection is refused (ECONNREFUSED)",
        "/* thrown when the token has expired */",
        "commit 4f0c1de\n    Handle permission denied when the log is rotated",
        "提交 4f0c1de\n    修复：登录超时后页面白屏",
        "// 报错处理：连接超时后重试",
        "## 2.1.0 - 2026-01-05\n### Fixed\n- too many connections after a restart",
        "v2.1.0 更新日志\n- 修复内存泄漏",
        " * Sets the OOM score of a worker.\n * Throws an error when it is refused.",
        "create table failed_orders (\n  reason text not null\n);",
        "        precision    recall\n   error     0.91     0.80     0.85     310",
        '    "^Failed password for (?P<user>\\w+) from (?P<ip>[\\d.]+) port \\d+",',
        "| 401 | token expired |\n| 403 | permission denied |\n| 500 | internal server error |",
        'class CartLost extends RuntimeException {\n  super("Cannot find cart " + id);\n}',
        "[ 43.09] Freezing user space processes ... (elapsed 0.003 seconds) done.",
    ],
)
def test_what_is_only_told_of_is_no_error(text: str) -> None:
    assert SignatureEngine().read(text)[0].name == BENIGN


@pytest.mark.parametrize(
    "text",
    [
        "// Error: connect ECONNREFUSED 127.0.0.1:5432",
        "x = y  // the next line fails\n// 报错 TypeError: x is not a function",
        "// what it died with:\n// \"ENOENT: no such file or directory, open '/srv/shop.conf'\"",
        "x = y\n// 报错信息如下：\n// TypeError: x is not a function",
        ' * Exception in thread "cart-1" java.lang.OutOfMemoryError\n * as it was seen',
        "// PHP Fatal error:  Maximum execution time of 30 seconds exceeded",
        "// [13-May-2026 17:43:34] PHP Parse error:  syntax error, unexpected end of file",
        "// (8,55): error CS0103: The name 'total' does not exist in the current context",
        "// ③ Error 1040: Too many connections",
        " *  the log of a node:\n *  [2026-07-06 19:35:58] OutOfMemoryError: Java heap space",
        "// Access to fetch at 'https://shop.example/cart' has been blocked by CORS policy",
        "commit 4f0c1de\nfatal: unable to access the repository: connection refused",
        "## 2.1.0\nModuleNotFoundError: No module named 'shop'",
        " * Starting shop\n * Starting basket: permission denied [fail]",
        "create table orders (\n  id int\n);\nERROR:  permission denied for schema public",
        "create table cart (id int);\n\tERROR 1290 (HY000): The server is running with --read-only",
        "NoReverseMatch: Reverse for 'cart' not found. Tried: ['cart/(?P<id>\\w+)/(?P<n>\\d+)$']",
        "# touch /srv/x\ntouch: cannot touch '/srv/x': No space left on device",
        "5.5版本慢查询日志\n# Query_time: 4.06  Lock_time: 0.0\nSELECT name FROM orders",
    ],
)
def test_what_a_program_printed_counts_beside_it(text: str) -> None:
    assert SignatureEngine().read(text)[0].name != BENIGN


@pytest.mark.parametrize(
    "text",
    [
        "should return 200 but got 500",
        "fix the error: connection refused to 10.0.0.7:5432",
        "修复数据库连接超时问题失败",
        "您的证书将于3天后过期，请及时更换",
        "Your certificate will expire on 2026-11-25, in 3 days",
        "Cannot use a pool after calling end on the pool: connection pool closed",
        "java invoked oom-killer: gfp_mask=0x1100cca, order=0, oom_score_adj=0",
        "未发现可用节点导致故障",
        "成功连接到数据库，但查询超时",
        "FATAL:  terminating connection due to administrator command",
        "circuit breaker for payments is OPEN",
        "circuit breaker closed connection to payments after 5 failures",
        "证书已过期，自动续期失败",
        "断线自动重连失败",
        "收到停止信号，但进程未能正常退出",
        "Started in read-only mode because the disk is full",
        "test('adds an order') failed: expected 3 to be 4",
        "heartbeat timeout reached, starting election: no leader",
        "no containers are pending, but 3 failed to start",
        "Login failed: 127.0.0.1",
        "还是一直报连接数据库 10.0.0.7:5432 超时，怎么办？",
        "任务将不再重试：调用 http://basket:8090 连接超时",
        "INFO link to mq1:5672 not restored after 2 retries",
        "API throttling started at 10:00: 429 Too Many Requests",
        "# Bug: the shop crashes when the disk is full",
        "# 当数据库断开时应用崩溃",
        "证书已过期 过期时间：2024-01-01",
        "directory /srv/x not found, creating it: Permission denied",
        "目录不存在，创建失败：权限不足",
        "跳过失败的任务: 数据库连接超时",
        "保存失败：数据库连接超时，如仍失败请检查网络",
        '[INFO] "A IN basket.shop.svc.cluster.local. udp 57 false 512" NXDOMAIN qr,aa,rd 150',
        "Connection timed out (timeout set to 30s)",
        "anacron[2]: Job `cron.daily' terminated (exit status: 1) (mailing output)",
        "circuit breaker opened since the connection to the basket was closed.",
        "cannot bind port 80: not running as root",
        "Session timeout: 1800 seconds exceeded, user logged out",
        "certificate valid until 2024-01-01 has expired",
        "10:00:01 检测到内存不足，将自动重启服务，期间可能丢失请求",
        "内存不足，但CPU未超过阈值",
        "Failed to write /srv/x: No space left on device. A new file will be created",
        "nodes: 2 unreachable, 0 down",
        "Supervisor is running as root; worker exited: out of memory",
        "login attempt: db=shop user=shop tls=no failed: password authentication failed",
        "server closed. exiting: out of memory",
        "Could not connect to Redis at 10.0.0.7:6379, falling back to memory",
        "failed to open /srv/x.log: permission denied, using stdout instead",
        "见 `shop/stderr.log`：`Error: ENOSPC: no space left on device, write`",
        "npm warn tar TAR_ENTRY_ERROR ENOSPC: no space left on device, write",
        "Account is locked for user anna. No login until the account is unlocked.",
    ],
)
def test_a_calm_word_beside_it_does_not_hide_trouble(text: str) -> None:
    assert SignatureEngine().read(text)[0].name != BENIGN


def test_what_was_printed_counts_within_a_comment() -> None:
    """People keep what they met above the code that mends it; what only explains is quoted."""
    kept = " * Seen in production:\n * Caused by: java.net.BindException: Address already in use"
    told = " * Throws what the driver throws,\n * if the address is already in use."
    assert SignatureEngine().read(kept)[0].name == "SERVICE.port_blocked"
    assert SignatureEngine().read(told)[0].name == BENIGN
