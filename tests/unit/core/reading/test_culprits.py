"""Culprits: names out of lines, and no words that are none, and no secrets."""

import pytest

from autoloop.core.reading import text_engine
from autoloop.core.reading.culprits import (
    _patterns,
    at_host,
    completed,
    in_full,
    named,
    place_in,
    place_near,
    shown,
    stated,
    stated_near,
    taken,
    vague,
)
from autoloop.core.reading.entities import entities
from autoloop.core.reading.patterns import clues, compiled, faults, may_match
from autoloop.core.reading.plain import cleared, plain
from autoloop.core.reading.signatures import book
from autoloop.core.reading.tables import table
from autoloop.core.redact import HIDDEN


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (
            'nginx: [emerg] unknown directive "x" in /etc/nginx/nginx.conf:7',
            "/etc/nginx/nginx.conf:7",
        ),
        ("sshd.conf: line 12: Bad configuration option: Prt", "sshd.conf:12"),
        ("Error in configuration file /etc/d.conf line 1: x", "/etc/d.conf:1"),
        ("syntax error at shop.pl line 3, near x", "shop.pl:3"),
        ("Syntax error on line 2 of /srv/a.conf: x", "/srv/a.conf:2"),
        ("shop.sh: 行 7: 语法错误", "shop.sh:7"),
        (
            "mysqli::real_connect(): gone away /srv/shop/db/driver.php 201",
            "/srv/shop/db/driver.php:201",
        ),
        ("no place at all", ""),
    ],
)
def test_the_line_of_a_file(line: str, place: str) -> None:
    """However a program words it."""
    assert place_in(line) == place


def test_a_file_is_named_with_its_folder() -> None:
    """Where that stands before it; the name itself stays whole."""
    assert completed("sa.json", "File /secrets/sa.json was not found") == "/secrets/sa.json"
    assert completed("sa.json", "sa.json: see http://x/sa.json.md") == "sa.json"
    assert completed("shop", "/srv/shop is gone") == "shop"


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),task=indexer,pid=91", "indexer"),
        ("The Mail Queue service terminated unexpectedly. It did so 2 time(s).", "Mail Queue"),
        ("read tcp 127.0.0.1:59660->10.0.0.9:5443: connection reset by peer", "10.0.0.9:5443"),
        ("dial tcp [::1]:8050: connect: connection refused", "[::1]:8050"),
        ("cannot open out/a.pdf: No such file or directory", "out/a.pdf"),
        (
            "sshd[7]: Failed password for root from 10.0.0.9 port 4 ssh2\n"
            "sshd[7]: Disconnecting: Too many authentication failures [preauth]",
            "root",
        ),
        ("Error: getaddrinfo EAI_AGAIN database", "database"),
        ("sshd[7]: Disconnecting: Too many authentication failures for ben [preauth]", "ben"),
        ("**Error:** `KeyError: 'kind'` when loading the cart", "kind"),
        ('user="N/A" group="N/A" xauthuser="ben" msg="authentication failed"', "ben"),
        (
            "AH00526: Syntax error on line 79 of /etc/apache2/shop.conf:\n"
            "Invalid command 'RequestHeader', perhaps misspelled or defined by a module",
            "/etc/apache2/shop.conf:79",
        ),
    ],
)
def test_who_is_named_in_wordings_of_many_programs(text: str, culprit: str) -> None:
    """The kernel, Windows, Go; no path is cut at its slash; a login is named beside its refusal; a
    host may be called as the word is; a place may be announced in the line before."""
    assert text_engine().read(text)[0].culprit == culprit


def test_what_describes_is_a_hint() -> None:
    """The unit goes before its description, a backend before what was asked of it."""
    text = "exim.service failed\nFailed to start the mail queue"
    assert vague("SERVICE.service_down", "the mail queue", text)
    assert not vague("SERVICE.service_down", "the mail queue", "Failed to start the mail queue")
    assert vague("SERVICE.upstream_unreachable", "/cart", '"GET /cart" 502')
    assert not vague("SERVICE.upstream_unreachable", "/run/shop.sock", "")


def test_words_are_no_names() -> None:
    """What a pattern may take for one."""
    assert [named(word) for word in ("'the'", "Connection", "(server)")] == ["", "", ""]
    assert named('"orders"') == "orders"
    assert named('"https://shop.example/cart?key=1"') == "https://shop.example/cart"


def test_no_part_of_a_secret_is_shown() -> None:
    """Also where the culprit ends within it."""
    line = "could not connect to postgres://shop:hunter2@db/shop"
    hidden = f"could not connect to postgres://shop:{HIDDEN}@db/shop"
    assert shown("postgres://shop:hunter2", hidden, [line]) == ""
    assert shown("hunter2", "it failed", ["it failed", line]) == ""
    assert shown("db", hidden, [line]) == "db"


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("curl: (7) Failed to connect to 10.0.0.7 port 9000 after 0 ms", "10.0.0.7"),
        ("bash: 行 1: shopctl: 未找到命令", "shopctl"),
        ("FEHLER:  Spalte »nickname« existiert nicht", "nickname"),
        ("shop_web_1 exited with code 1", "shop_web_1"),
    ],
)
def test_what_a_line_is_about(text: str, culprit: str) -> None:
    """A host, a command, a column, a container."""
    assert text_engine().read(text)[0].culprit == culprit


def test_a_pattern_is_tried_wherever_it_matches() -> None:
    """The pieces that are looked for first only save time."""
    texts = [text for signature in book().signatures for text, _ in signature.examples]
    texts += [text.upper() for text in texts]
    for pattern in {each for patterns in _patterns().values() for each in patterns}:
        for text in filter(compiled(pattern).search, texts):
            assert may_match(pattern, text, text.lower()), pattern


@pytest.mark.parametrize(
    ("pattern", "pieces"),
    [
        (r"(?i)\b(?:Host|peer)[=: ](?P<c>\w+)", ("host", "peer")),
        (r"\b(?P<c>[a-z]+(?:_[a-z]+)+)\b", ("_",)),
        (r"(?P<c>\d+)", ()),
        (r"a (?i:b) c", ()),
        (r"[\x27](?P<c>\w+)\x27", ()),
    ],
)
def test_the_pieces_of_a_pattern(pattern: str, pieces: tuple[str, ...]) -> None:
    """None where it is not sure."""
    assert clues(pattern) == pieces


@pytest.mark.parametrize("name", sorted(table("stated")))
def test_wordings_that_state_their_culprit(name: str) -> None:
    """Each pattern takes from its sample what stands beside it, and is one that RE2 reads, too."""
    assert name in {each.name for each in book().signatures}
    wrong = []
    for pattern, line, culprit in table("stated")[name]:
        found = compiled(pattern).search(plain(line))
        strange = "looks around" in str(faults(pattern)) or "\\u" in pattern
        if found is None or taken(found) != culprit or strange:
            wrong.append((pattern, line, culprit))
    assert wrong == []


def test_what_is_stated_goes_before_what_is_told() -> None:
    """In the line that complains; in a line near it only where nothing else tells."""
    killed = (
        "kernel: shopd invoked oom-killer: gfp_mask=0x0\nKilled process 7 (indexer) total-vm:9kB"
    )
    assert text_engine().read(killed)[0].culprit == "indexer"
    lines = ["no space left on device", "write /srv/a: no space left on device"]
    assert stated("SERVICE.disk_full", lines, 0) == ""
    assert stated_near("SERVICE.disk_full", lines, 0) == "/srv/a"


@pytest.mark.parametrize(
    ("number", "line", "whole"),
    [
        ("80", "listen tcp 0.0.0.0:80: bind: address already in use", "0.0.0.0:80"),
        ("80", "bind [::]:80 failed", "[::]:80"),
        ("80", "port 80 is taken; 10.0.0.7:8080 is not", "80"),
        ("shopd", "localhost:80", "shopd"),
        ("14", "yaml: line 14: did not find expected key", "line 14"),
        ("7", "配置第 7 行有误", "第 7 行"),
        ("7", "on port 7, in line 71", "7"),
    ],
)
def test_a_number_as_its_line_tells_it(number: str, line: str, whole: str) -> None:
    """A port with its address, a line as such."""
    assert in_full(number, line) == whole


def test_a_port_has_the_address_that_a_line_beside_it_tells() -> None:
    """The line that complains may hold neither."""
    text = "WARNING:  localhost:9703\nDETAIL:  Cannot assign requested address: port 9703"
    assert text_engine().read(text)[0].culprit == "localhost:9703"


def test_what_a_browser_says_of_itself_names_nothing() -> None:
    """Nor do the numbers in it."""
    line = '10.0.0.9 - - "POST /carts HTTP/1.1" 401 36 "-" "Mozilla/5.0 (Android 10; rv:91.0)"'
    assert plain(line).endswith('36 "-" ') and cleared(line).rstrip().endswith('36 "-"')


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        (
            "mysql> insert into carts values (7, 'x');\n"
            "ERROR 1366 (HY000): Incorrect string value: '\\xBC\\xD6' for column 'note' at row 1",
            "carts.note",
        ),
        (
            "Column not found: 1054 Unknown column \\'note\\' in \\'field list\\' "
            "(SQL: insert into `carts` (`id`) values (7))",
            "carts.note",
        ),
        (
            "Unknown column 'note' in 'field list'\n"
            "SELECT a.note FROM carts a; DELETE FROM items WHERE id = 7",
            "note",
        ),
    ],
)
def test_a_column_is_told_with_its_table(text: str, culprit: str) -> None:
    """Where the statements beside it name one table, and no more."""
    assert text_engine().read(text)[0].culprit == culprit


def test_of_a_long_address_the_host_is_told_where_it_does_not_answer() -> None:
    """But all of it where a proxy asked for it."""
    address = "http://basket:8090/api/v1/carts/4711/items/23/prices/with/taxes"
    assert at_host(address, "SERVICE.timeout") == "http://basket:8090"
    assert at_host(address, "SERVICE.upstream_unreachable") == address
    assert at_host("http://basket:8090/carts", "SERVICE.timeout") == "http://basket:8090/carts"
    cut = "https://basket:8090/carts/4711/items/23/prices"
    assert at_host(cut, "SERVICE.timeout") == "https://basket:8090"
    socket = "fastcgi://unix:/run/php/php8.2-fpm-of-the-shop.sock"
    assert at_host(socket, "SERVICE.timeout") == socket


@pytest.mark.parametrize(
    "line", ["HTTP error 403: no", "response code: 500 from there", "状态码 502"]
)
def test_a_status_is_no_name(line: str) -> None:
    assert [one.text for one in entities(line) if one.text.isdigit()] == []
    assert "443" in [one.text for one in entities("nothing on port 443")]


def test_yaml_is_wrong_where_its_parser_was_stopped() -> None:
    """Where that began to read is told first."""
    lines = ["while parsing a block mapping", '  in "shop.yml", line 3, column 1']
    lines += ["expected <block end>, but found '-'", '  in "shop.yml", line 9, column 3']
    assert place_near(lines, 0) == "shop.yml:9"
