"""The text engine: what a text means, which of several errors is the cause, how sure that is."""

import pytest

from autoloop.core.diagnosis import BENIGN, Cause
from autoloop.core.reading import SignatureEngine, TextEngine, text_engine
from autoloop.core.reading.signatures import FILES
from autoloop.core.reading.tables import table


def top(text: str) -> Cause:
    """The most likely cause."""
    return text_engine().read(text)[0]


LADDER = """\
Mar 03 10:00:01 web1 systemd[1]: shop.service: Main process exited, code=exited, status=1/FAILURE
Mar 03 10:00:01 web1 systemd[1]: shop.service: Failed with result 'exit-code'.
2026/03/03 10:00:02 [error] 71#71: *5 connect() failed (111: Connection refused) while connecting \
to upstream, client: 10.0.0.1, server: shop, upstream: "http://127.0.0.1:8000/"
10.0.0.1 - - [03/Mar/2026:10:00:02 +0000] "GET /cart HTTP/1.1" 502 157 "-" "curl"
"""


def test_a_dead_unit_explains_the_proxys_error() -> None:
    """The proxy only passes it on."""
    causes = text_engine().read(LADDER)
    assert (causes[0].name, causes[0].culprit) == ("SERVICE.service_down", "shop.service")
    assert "SERVICE.upstream_unreachable" in [cause.name for cause in causes[1:]]


def test_a_password_mistyped_by_a_user_who_then_gets_in_is_ordinary() -> None:
    """Not so when somebody else gets in."""
    failed = "sshd[7]: Failed password for ben from 10.0.0.9 port 4242 ssh2\n"
    pam = "sshd[7]: pam_unix(sshd:auth): authentication failure; rhost=10.0.0.9  user=ben\n"
    for user, name in (("ben", BENIGN), ("eve", "LOGIN.wrong_password")):
        entered = f"sshd[7]: Accepted password for {user} from 10.0.0.9 port 4242 ssh2\n"
        assert top(failed + entered).name == name
        assert top(entered + failed).name == "LOGIN.wrong_password"
        assert top(pam + entered).name == name


def test_an_answer_in_braces_is_no_setting() -> None:
    """A setting in braces is one."""
    assert top("body = {'code': 401, 'message': 'token expired'}").name == "LOGIN.token_expired"
    assert top("retry = {'token expired': 2}").name == BENIGN


def test_what_goes_on_behind_brackets_is_no_setting() -> None:
    """A list is one, of lists too."""
    assert top("retry: [['token expired', 2], ['timed out', 3]]").name == BENIGN
    assert top("auth: [a] user [shop] status [NT_STATUS_WRONG_PASSWORD]").name != BENIGN


def test_a_full_disk_explains_the_dead_unit() -> None:
    """The deepest cause goes first, wherever it stands."""
    last = "Mar 03 10:00:00 web1 shop[9]: OSError: [Errno 28] No space left on device: '/srv/up'\n"
    for text in (last + LADDER, LADDER + last):
        assert (top(text).name, top(text).culprit) == ("SERVICE.disk_full", "/srv/up")


@pytest.mark.parametrize(
    "text",
    [
        "INFO failed to refresh the cache, will retry in 5s",
        '{"level":"info","msg":"error handler installed","errors":0}',
        'level=info msg="connection refused was handled" attempt=1',
        "2026-03-03 10:00:00,123 DEBUG [main] shop.Db: no such table check skipped",
        "I0303 10:00:00.000001  7 shop.cc:12] timeout set to 30s",
        "error_log /var/log/nginx/error.log is writable",
        "Build finished: 0 errors, 0 failures",
        "request to 10.0.0.7 succeeded after 3 retries",
        "健康检查通过，没有错误",
        "Received valid SSL certificate: /C=EX/O=shop",
        "HOST DOWNTIME ALERT: web1;STARTED; Host has entered a period of scheduled downtime",
        "close proxy upstream connection: 3",
        "[mpm_event:notice] AH00489: Apache/2.4.54 configured -- resuming normal operations",
        "",
        "   \n\t\n",
    ],
)
def test_what_only_sounds_like_trouble_is_ordinary(text: str) -> None:
    """Levels and the words around decide."""
    assert top(text).name == BENIGN


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dial tcp 10.0.0.5:5432: connect: connection refused", "DATABASE.connection_error"),
        ("dial tcp 10.0.0.5:9000: connect: connection refused", "SERVICE.service_down"),
        ("nginx: connection refused by upstream 10.0.0.5:9000", "SERVICE.upstream_unreachable"),
        ("mysqld: write failed: No space left on device", "DATABASE.disk_full_db"),
        ("cp: error writing 'x': No space left on device", "SERVICE.disk_full"),
        (
            "ClientCnxn - Session 0x0 for server null, unexpected error, closing socket\n"
            "java.net.ConnectException: Connection refused",
            "SERVICE.service_down",
        ),
    ],
)
def test_the_same_words_mean_what_the_context_says(text: str, name: str) -> None:
    """A refused connection to a database is another trouble than one to a backend."""
    assert top(text).name == name


@pytest.mark.parametrize(
    ("noun", "trouble", "name"),
    [
        ("Renewing the SSL certificate", "SSL certificate is invalid", "SERVICE.tls_certificate"),
        ("memory threshold: 80 %", "memory threshold exceeded", "SERVICE.memory_leak"),
        ("opened a login session for ben", "invalid login session", "LOGIN.token_invalid"),
        ("added a unique constraint", "violates unique constraint", "CODE.logic_error"),
        ("created a deploy key", "deploy key rejected", "CONFIG.auth_failed"),
    ],
)
def test_a_bare_noun_is_no_trouble(noun: str, trouble: str, name: str) -> None:
    """Its line must complain of it."""
    assert top(noun).name == BENIGN
    assert top(trouble).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            "            triggerUncaughtException(err, true /* fromPromise */);\n"
            "            ^\n\nError: connect ECONNREFUSED 127.0.0.1:6379",
            "DATABASE.connection_error",
        ),
        ("no principal name: java.net.UnknownHostException: web1", "SERVICE.dns_failure"),
    ],
)
def test_a_word_within_another_says_nothing(text: str, name: str) -> None:
    """Nor does a line of the runtime's own source."""
    assert top(text).name == name


def test_trouble_nobody_knows_is_a_guess_and_says_so() -> None:
    """It is named, with little confidence."""
    guess = top("ERROR the flux compensator is out of phase")
    assert guess.name != BENIGN
    assert guess.confidence <= 0.3


@pytest.mark.parametrize(
    "line",
    [
        "  timeout: 30",
        "limit_request_line: 4094",
        "  bind: ['127.0.0.1:8000']",
        "selecting default max_connections ... 100",
        "pg_dump: reading user-defined collations",
        "debug2: load_hostkeys: fopen /root/.ssh/known_hosts: No such file or directory",
        "test_login_failed (shop.tests.Login) ... ok",
        "[main 73e8dcb] Fix the crash when the connection fails",
        "auth: Warning: Killed with signal 15 (by pid=13328 uid=0)",
        "  log /var/log/shop/old.log does not exist -- skipping",
        "No broken requirements found.",
    ],
)
def test_what_complains_of_nothing_is_ordinary(line: str) -> None:
    """Values, steps, names that hold alarming words, tests, commits, a stop that was asked for."""
    assert top(line).name == BENIGN


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("exit code: 137", "SERVICE.memory_leak"),
        ("ERROR max_connections", "DATABASE.too_many_connections"),
        ("The coupon has already been used", "CODE.logic_error"),
        ("未登录", "LOGIN.token_invalid"),
        ("mkdir: cannot create directory '/x': No such file or directory", "CONFIG.missing_file"),
        ("the indexer has failed on add", "CODE.runtime_error"),
        ("make: *** No rule to make target 'deploy'.  Stop.", "CONFIG.missing_file"),
        ("命令执行超时（30 秒）。可通过 Shop.timeout 调整。", "SERVICE.timeout"),
        ("You are not logged in", "LOGIN.token_invalid"),
    ],
)
def test_what_names_a_state_or_complains_is_trouble(line: str, name: str) -> None:
    """However short it is, and in whatever form."""
    assert top(line).name == name


def test_the_middle_of_a_trace_is_trouble() -> None:
    """Python prints frames only of what failed; which exception it was stands elsewhere."""
    frames = '  File "/srv/shop/cart.py", line 7, in total\n    return sum(prices)\n'
    guess = top(frames * 2)
    assert (guess.name[:5], guess.culprit) == ("CODE.", "/srv/shop/cart.py:7")


def test_what_has_recovered_counts_less() -> None:
    """The later line speaks."""
    text = "ERROR connection refused by 10.0.0.7:9000\nINFO connection to 10.0.0.7:9000 restored"
    assert top("ERROR connection refused by 10.0.0.7:9000").confidence > top(text).confidence


def test_what_was_only_warned_of_and_succeeded_is_ordinary() -> None:
    """As a client tells of attempts; what its program calls an error stays one."""
    text = (
        "[{}] Attempt 1/3 failed: FetchTimeout: Connection timed out. Retrying in 2.0s...\n"
        "[INFO] Fetch succeeded after 1 retry"
    )
    assert top(text.format("WARNING")).name == BENIGN
    assert top(text.format("ERROR")).name == "SERVICE.timeout"
    other = "[WARN] disk /srv is 97% full\n[INFO] db: connection re-established"
    assert top(other).name == "SERVICE.disk_full"


def test_what_recovered_and_failed_again_counts() -> None:
    """One attempt that succeeds settles nothing if trouble follows."""
    text = (
        "java.lang.OutOfMemoryError: GC overhead limit exceeded\n"
        "WARN Lost task 3.0 in stage 5.0: TaskKilled (another attempt succeeded)\n"
        "ERROR Lost executor 2 on 10.0.0.5: Remote RPC client disassociated."
    )
    assert text_engine().read(text)[0].name == "SERVICE.memory_leak"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("table users is corrupt, ignoring", "DATABASE.data_corruption"),
        ("segment 0004 is corrupted, skipping it", "DATABASE.data_corruption"),
        ("worker 3 died, continuing", "SERVICE.service_down"),
        ("Fatal error: shutting down", "CODE.runtime_error"),
        ("non-fatal error, continuing", BENIGN),
        ("could not parse record 5, skipping", BENIGN),
        ("告警测试:这是一条测试消息,数据库宕机(演练),请忽略", BENIGN),
    ],
)
def test_what_is_grave_is_no_less_so_if_the_program_goes_on(text: str, name: str) -> None:
    """What it does about it is told behind it; but for what is no harm."""
    assert text_engine().read(text)[0].name == name


@pytest.mark.parametrize(
    ("text", "calm"),
    [
        ("keepalive interval too low, using 5 seconds", True),
        ("packet was ignored because of mismatched DCID", True),
        ("keepalive interval too low", False),
        ("replica too slow, will not be used", False),
        ("Shutting down purge task", True),
        ("checkout down", False),
    ],
)
def test_what_the_program_deals_with_itself_is_ordinary(text: str, calm: bool) -> None:
    """A short message without a level, unless it is trouble whatever is done about it."""
    assert (text_engine().read(text)[0].name == "NONE.benign") == calm


def test_what_has_recovered_is_not_guessed_either() -> None:
    """A vague complaint that nothing else explains."""
    text = "WARNING - connecting to the basket failed\nINFO - connection to the basket restored"
    assert top(text).name == BENIGN


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("INFO shop - POST /pay: Communications link failure", "DATABASE.connection_error"),
        ("INFO 下载账单：files.example 域名解析失败", "SERVICE.dns_failure"),
        ("DEBUG shop - POST /pay: Communications link failure", BENIGN),
        ("INFO the last link failure was handled", BENIGN),
    ],
)
def test_what_is_exactly_worded_is_trouble_as_information_too(text: str, name: str) -> None:
    """Many programs write whatever happens as information; what is for debugging is no such."""
    assert top(text).name == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("登录接口调用成功，返回：用户 ben 未注册", "LOGIN.user_not_exist"),
        (
            "build succeeded, push denied: unauthorized: authentication required",
            "CONFIG.auth_failed",
        ),
        ("succeeded with 0 errors, 0 failures", BENIGN),
        ("Failed: Authentication failed: 535 5.7.0 Invalid login", "CONFIG.auth_failed"),
        ("parser.add_argument('--wait', help='seconds, then the connection timed out')", BENIGN),
    ],
)
def test_a_calm_word_speaks_for_its_own_clause(text: str, name: str) -> None:
    """Not for what goes wrong behind it, unless it tells what the whole line is."""
    assert top(text).name == name


def test_rivals_make_less_sure() -> None:
    """Two troubles of equal rank: neither is as sure as it would be alone."""
    alone = "x509: certificate signed by unknown authority"
    both = f"{alone}\ngetaddrinfo ENOTFOUND db.shop.example"
    assert top(both).confidence < top(alone).confidence


@pytest.mark.parametrize("name", FILES)
def test_the_first_cause_is_the_same_however_many_are_asked_for(name: str) -> None:
    """Alone, or with what else may be wrong."""
    texts = [text for row in table(name)["signature"] for text, _ in row.get("examples", ())]
    for text in [*texts[::3], "\n".join(texts[:40])]:
        found = text_engine().read(text)
        assert text_engine().read(text, most=1) == found[:1]
        assert text_engine().read(text, most=2) == found[:2]


def test_secrets_are_not_quoted() -> None:
    """Evidence is redacted as everything that is kept."""
    found = text_engine().read("could not connect to server: postgres://shop:hunter2@db/shop")
    assert "hunter2" not in "".join(cause.model_dump_json() for cause in found)


def test_the_engine_may_be_replaced() -> None:
    """Whatever reads a text is one."""

    class Oracle:
        def read(self, text: str, most: int = 1) -> tuple[Cause, ...]:
            return (Cause(name=BENIGN, confidence=1.0),)

    engines: list[TextEngine] = [SignatureEngine(), Oracle()]
    assert all(engine.read("ok")[0].name == BENIGN for engine in engines)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("backup.service: job ended with exit code 2", "SERVICE.service_down"),
        ("backup.service: job ended with exit code 0", "NONE.benign"),
        ("container exited (3)", "SERVICE.service_down"),
        ("任务结束，退出码 2", "SERVICE.service_down"),
        ("Tests: 3 failed, 20 passed, 23 total", "CODE.logic_error"),
        ("Tests: 20 passed, 20 total", "NONE.benign"),
        ("deadlock: true", "DATABASE.deadlock_or_lock_timeout"),
        ("deadlock_timeout = 1s", "NONE.benign"),
        ("disk_full: true", "SERVICE.disk_full"),
        ("unreachable: 3", "SERVICE.service_down"),
        ("timeouts: 12", "SERVICE.timeout"),
        ("timeout: 30", "NONE.benign"),
    ],
)
def test_a_value_tells_whether_it_went_well(text: str, name: str) -> None:
    """No word of such a line complains of anything."""
    assert text_engine().read(text)[0].name == name


def test_what_ends_in_the_same_way_again_and_again_is_a_loop() -> None:
    """Numbers do not count; that several things ended once is no loop."""
    same = "\n".join(f"worker process {pid} exited on signal 11" for pid in (71, 82, 93))
    assert text_engine().read(same)[0].name == "SERVICE.crash_loop"
    others = "shop_web exited with code 1\nshop_db exited with code 1\nshop_mq exited with code 1"
    assert text_engine().read(others)[0].name == "SERVICE.service_down"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("web-3 磁盘使用率 45.95%", BENIGN),
        ("web-3 磁盘使用率已达 95%", "SERVICE.disk_full"),
        ("web-3 内存使用率: 12.91%", BENIGN),
        ("web-3 内存使用率: 97%", "SERVICE.memory_leak"),
        ("web-3 CPU 使用率 7.99% 持续 10 分钟", BENIGN),
        ("web-3 CPU 使用率 99% 持续 10 分钟", "SERVICE.cpu_overload"),
        ("CPU usage: 12.99%, disk usage 45.95%, memory usage 33.97%", BENIGN),
        ("condition DiskPressure: False (KubeletHasNoDiskPressure)", BENIGN),
        ("The node was low on resource. Condition: [DiskPressure]", "SERVICE.disk_full"),
    ],
)
def test_how_much_is_used_is_trouble_only_when_it_is_much(text: str, name: str) -> None:
    """The digits behind a point say nothing of it."""
    assert SignatureEngine().read(text)[0].name == name
