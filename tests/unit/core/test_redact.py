"""Redaction: nothing secret passes, and nothing holds it up."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.redact import _CONTROL, _RULES, HIDDEN, harmless, redact, redact_value

JWT = "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "text",
    [
        "DB_PASSWORD=hunter2 PORT=1",
        "password: hunter2",
        '{"password": "hunter2", "a": 1}',
        '{"password": "hun\\"hunter2"}',
        "PGPASSWORD='hunter2 hunter2'",
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "api-key = hunter2",
        "passphrase=hunter2",
        "数据库密码：hunter2",
        "口令=hunter2",
        "postgres://shop:hunter2@db/shop",
        "redis://:hunter2@cache:6379/0",
        "dial shop:hunter2@tcp(db:3306)/shop: refused",
        "D=shop:hunter2@unix(/run/mysqld.sock)/shop",
        "jdbc:oracle:thin:scott/hunter2@db:1521:x",
        "mysqladmin --password hunter2 status",
        "tool --db-token=hunter2",
        "Authorization: Bearer hunter2hunter2",
        "Authorization: Basic aHVudGVyMjpodW50ZXIy",
        "Cookie: session=hunter2",
        "GET /?token=hunter2&x=1",
        f"jwt {JWT}",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2 and cut off",
        "AKIA" + "A" * 16,
        "ghp_" + "hunter2" * 5,
        "$2b$12$" + "a" * 53,
        "glpat-" + "hunter2" * 4,
        "AIza" + "hunter2" * 5,
        "https://chat.example/send?key=hunter2-1",
        "https://hooks.slack.com/services/T00/hunter2/hunter2",
        "CREATE USER 'shop'@'%' IDENTIFIED BY 'hunter2'",
        "ALTER USER shop IDENTIFIED WITH caching_sha2_password BY 'hunter2'",
        "CREATE ROLE shop LOGIN PASSWORD 'hunter2'",
        "CONFIG SET requirepass hunter2",
        "redis-server *:6379 --requirepass hunter2",
        "shop --db-pass hunter2 --api-key hunter2",
        "rabbitmqctl add_user shop hunter2",
        "sqlplus scott/hunter2@shop",
        "echo 'root:hunter2' | chpasswd",
        "/usr/bin/ldapsearch -x -D cn=shop -w hunter2 uid=ann",
        "redis-cli -h cache -a hunter2 ping",
        "mysql -u root -phunter2 shop",
        '["mysql", "-pa,b;hunter2"]',
        'ALTER ROLE shop PASSWORD "hunter2"',
        "mysqldump -u root -p'hunter2 hunter2' shop",
        '["mysql", "-uroot", "-phunter2"]',
        "mysql -u zip -phunter2; redis-cli -a hunter2",
        "sshpass -p hunter2 ssh shop@h",
        "mongosh -u shop -p hunter2 h",
        "docker login -u shop -p hunter2 registry.example",
        "curl -s -u shop:hunter2 http://h",
        'curl --user "shop:hunter2" http://h',
        "smbclient //h/shop -U shop%hunter2 -c ls",
        "openssl pkcs12 -in x.p12 -passin pass:hunter2",
        "htpasswd -bc /etc/shop.users ann hunter2",
        "snmpwalk -v2c -c hunter2 10.0.0.4",
        "运行 mysql -phunter2 失败",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    """In settings, URLs, JSON, command lines, headers, keys."""
    said = redact(f"before {text} after")
    assert HIDDEN in said
    for secret in ("hunter2", "aHVudGVy", "eyJhbGci", "AAAAAAAA", "aaaaaaaa"):
        assert secret not in said
    assert said.startswith("before ")


@pytest.mark.parametrize(
    "text",
    [
        "502 Bad Gateway",
        "connect() failed (111)",
        "the token expired",
        "PORT=8080",
        "http://a:80/b",
        "at Shop.Login() in ChangePassword.cs:41",
        "src/token.go:17:3: undefined: x",
        "mysql -u root -p -h db shop",
        "docker run -p 8080:80 nginx",
        "nginx -p /srv/shop -c nginx.conf",
        "curl: (7) Failed to connect to h port 80",
        "curl -u shop http://h",
        "ssh -p 2222 h",
        "mkdir -p /srv/shop; zip - shop",
        "identified by 3 checks",
        "make --bypass cart",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    """A diagnosis needs them."""
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("a\x07b\x00c", "abc"),
        ("\x1b]0;title\x07x", "x"),
        ("a\tb\n", "a\tb\n"),
    ],
)
def test_terminal_escapes_go(text: str, said: str) -> None:
    """A log cannot write to the reader's terminal."""
    assert redact(text) == said


@pytest.mark.parametrize(
    ("key", "value", "hidden"),
    [
        ("SECRET_KEY", "x", True),
        ("auth_salt", "x", True),
        ("SENTRY_DSN", "x", True),
        ("PORT", "8080", False),
        ("DATABASE_URL", "postgres://u:hunter2@h/d", True),
    ],
)
def test_a_setting_is_hidden_by_its_name_or_its_form(key: str, value: str, hidden: bool) -> None:
    """Both count."""
    assert (HIDDEN in redact_value(key, value)) is hidden


@given(st.text())
def test_twice_is_once(text: str) -> None:
    """What was redacted stays readable."""
    assert redact(redact(text)) == redact(text)


PIECES = ["a", "a.", "a-", "eyJ-", "password", "://", "a://b:", "--token ", "bearer ", 'password="']
PIECES += ["-----BEGIN PRIVATE KEY", "sk-", " ", "\\", "\x1b[", "密码"]
PIECES += ["mysql -p", " -pa", "curl -u a", "htpasswd -b a ", "ldapadd -w '", "a: | chpasswd"]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", PIECES)
def test_no_text_holds_it_up(piece: str) -> None:
    """Time grows with the length; with its square this would take many minutes."""
    redact(piece * (256_000 // len(piece)))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a\x1b[31mb\x1b[0m", "ab"),
        ("a\x9b31mb", "ab"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\b", "ab"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x9d0;title\x9cb", "ab"),
        ("a\x1b]0;no end", "a]0;no end"),
        ("a\rb\x08c\x00d\x7fe", "abcde"),
        ("gpj.\u202egnp.exe\u202c", "gpj.gnp.exe"),
        ("a\u2066b\u2069\u200bc\ufeffd\U000e0041e", "abcde"),
        ("a\u2028b\ud800c", "ab?c"),
        ("tab\tline\n中文 ‹hidden› 😀", "tab\tline\n中文 ‹hidden› 😀"),
    ],
)
def test_nothing_deceives_a_terminal_or_an_eye(text: str, left: str) -> None:
    """Escapes, other control characters, marks of direction, invisible ones."""
    assert harmless(text) == left


@given(st.text(alphabet="\x1b\x9b\x9d\x9c[]0;m\x07\\P\x90ab\u202e\x00\x8f", max_size=200))
def test_what_is_harmless_has_no_control_character(text: str) -> None:
    """And it stays as it is when it is taken again."""
    left = harmless(text)
    assert not [c for c in left if unicodedata.category(c) in ("Cc", "Cf", "Cs")]
    assert harmless(left) == left


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["\x9d", "\x1b]", "\x1b[0", "\x90a", "\x1b[" + "0" * 70])
def test_escapes_without_an_end_do_not_hold_it_up(part: str) -> None:
    """Ten million characters of them."""
    assert len(harmless(part * (10_000_000 // len(part)))) < 10_000_001


SECRETS = st.sampled_from(
    ["Password", "=", " --", "TOKEN ", "api-key: ", "http://a:b@c ", "Bearer ", "a" * 20, f" {JWT}",
     "AKIA", "A" * 16, "sk-", "xoxb-", "-----BEGIN PRIVATE KEY-----", "$2a$10$" + "x" * 53,
     "密码：", "\n", "\x1b[0m", " IDENTİFIED BY 'a'", "?KEY=aaaaaaa", "é", "ſecret=", "\t"]
)  # fmt: skip


@given(st.lists(SECRETS, max_size=12).map("".join))
def test_every_rule_is_tried_where_it_may_match(text: str) -> None:
    """The words that stand before a rule only save time."""
    naive = harmless(text)
    for _, pattern, put in _RULES:
        naive = pattern.sub(put, naive)
    assert redact(text) == naive


@given(st.text(max_size=60))
def test_plain_text_is_not_looked_through(text: str) -> None:
    """What is printable and of ASCII is harmless already."""
    assert harmless(text) == _CONTROL.sub("", text.encode("utf-8", "replace").decode())
