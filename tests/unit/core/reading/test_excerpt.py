"""Excerpts: bounded, and with the level that each program gave its lines."""

import pytest

from autoloop.core.reading.excerpt import CLIP, LINE_CLIP, LINES, Excerpt, Level, level_of

LINES_OF_PROGRAMS = [
    ("Mar  3 10:00:00 web1 shopd: [ID 7 daemon.error] x", Level.ALARM),
    ("E: Unable to locate package shopd", Level.ALARM),
    ("W: Some index files failed to download", Level.WARN),
    ("2026-03-03T10:00:00Z E! [outputs.influxdb] no answer", Level.ALARM),
    ("2026-03-03T10:00:00Z I! Loaded inputs: cpu", Level.CALM),
    ('{"ts":"2026-03-03T10:00:00Z","level":"error","msg":"x"}', Level.ALARM),
    ('{"level":30,"time":1,"msg":"x"}', Level.CALM),
    ('{"level":1,"message":"x"}', Level.NONE),
    ('{"PRIORITY":"2","MESSAGE":"x"}', Level.ALARM),
    ('{"level":"debug","msg":"x"}', Level.DEBUG),
    ("10-listen.sh: info: x", Level.CALM),
    ('{"t":{"$date":"2026-03-03"},"s":"W","c":"NETWORK","msg":"x"}', Level.WARN),
    ('ts=2026-03-03 level=warn msg="x"', Level.WARN),
    ('{"ts":"2026-03-03","sev":"crit","msg":"x"}', Level.ALARM),
    ("2026/03/03 10:00:00 [crit] 7#7: *1 x", Level.ALARM),
    ("[Tue Mar 03 10:00:00 2026] [core:notice] [pid 7] x", Level.CALM),
    ("2026-03-03 10:00:00.000 UTC [7] FATAL:  x", Level.ALARM),
    ("2026-03-03 10:00:00.000 UTC [7] LOG:  x", Level.CALM),
    ("2026-03-03T10:00:00.000000Z 0 [Note] [MY-010000] [Server] x", Level.CALM),
    ("WARNING:shop.cart:x", Level.WARN),
    ("%ASA-6-302014: x", Level.CALM),
    ("[2026-03-03 10:00:00 +0000] information/ApiListener: x", Level.CALM),
    ("Mar  3 10:00:00 edge %LINK-3-UPDOWN: x", Level.ALARM),
    ("%LINEPROTO-5-UPDOWN: x", Level.NONE),
    ("2026-03-03 10:00:00,000 - shop - ERROR - x", Level.ALARM),
    ("2026-03-03 10:00:00.000  INFO 7 --- [main] c.e.Shop : x", Level.CALM),
    ("E0303 10:00:00.000000       7 shop.go:1] x", Level.ALARM),
    ("W, [2026-03-03T10:00:00.000000 #7]  WARN -- : x", Level.WARN),
    ("7:M 03 Mar 2026 10:00:00.000 * x", Level.CALM),
    ("[2026-03-03 10:00:00] production.ERROR: x", Level.ALARM),
    ("Mar  3 10:00:00 web1 shop[7]: x", Level.NONE),
    ("something about errors", Level.NONE),
    ("SHOP_URL must be set when DEBUG is false", Level.NONE),
]


@pytest.mark.parametrize(("line", "level"), LINES_OF_PROGRAMS)
def test_levels_of_programs(line: str, level: Level) -> None:
    """JSON, logfmt, web servers, databases, and what languages log."""
    assert level_of(line) is level


@pytest.mark.parametrize(
    "line",
    [
        "[10:00:00] [DEBUG] no connection: server at 10.0.0.7 failed: FATAL:  slots are reserved",
        'time="10:00" level=info msg="stderr=[WARN: invalid page checksums found in file cart]"',
    ],
)
def test_what_a_calm_line_passes_on_has_its_own_level(line: str) -> None:
    """The program that records it is calm; the one that said it was not."""
    assert Excerpt(line).level(0) is Level.ALARM
    assert Excerpt("[DEBUG] a line that is FATAL or PANIC by name").level(0) is Level.DEBUG


def test_a_failure_with_its_reason_is_no_information() -> None:
    """Whatever its program calls it; what only says that something failed may be."""
    assert Excerpt('level=info msg="failed to renew lease shop: timed out"').level(0) is Level.WARN
    assert Excerpt("INFO: Could not reach the shop: refused").level(0) is Level.WARN
    assert Excerpt('level=info msg="failed to log to file, using stderr"').level(0) is Level.CALM
    assert Excerpt('level=info msg="retried: failed"').level(0) is Level.CALM


def test_a_trace_out_of_the_journal_is_one_trace() -> None:
    """The frames without what the journal writes before each; other lines keep it."""
    head = "Nov 24 12:00:00 web1 gunicorn[7]: "
    lines = Excerpt(f'{head}Traceback:\n{head}  File "/srv/a.py", line 7, in f\n{head}KeyError: 1')
    assert lines.lines[1] == '  File "/srv/a.py", line 7, in f'
    assert [line.startswith(head) for line in lines.lines] == [True, False, True]


def test_what_continues_a_line_has_its_level() -> None:
    """A stack trace under an INFO line is no alarm by itself."""
    excerpt = Excerpt("INFO x\n    at y\nERROR z\n\tat w")
    assert [excerpt.level(n) for n in range(4)] == [0, 0, 3, 3]


def test_a_long_text_is_read_at_its_ends() -> None:
    """Bounded in characters, lines, and characters a line."""
    many = Excerpt("\n".join(f"line {n}" for n in range(9999)))
    assert len(many.lines) <= LINES
    assert (many.lines[0], many.lines[-1]) == ("line 0", "line 9998")
    long = Excerpt("x" * (2 * CLIP) + " end")
    assert all(len(line) <= LINE_CLIP + 3 for line in long.lines)
    assert long.lines[-1].endswith("end")


def test_places_in_the_lowered_text_are_places_in_the_text() -> None:
    """Also where lower case has another length."""
    excerpt = Excerpt("İ HOST İ")
    assert excerpt.text[excerpt.low.index("host") :].startswith("HOST")


def test_the_names_of_containers_are_no_part_of_the_lines() -> None:
    """What compose writes before them; a table or a single bar is left as it is."""
    text = "web-1  | Traceback\nweb-1  |   File x\ndb-1   | ready"
    assert Excerpt(text).lines == ["Traceback", "  File x", "ready"]
    assert Excerpt("a | b\nno bar\nnone either").lines[0] == "a | b"


def test_halves_of_characters_become_question_marks() -> None:
    """As they come from bytes that were no UTF-8; not every engine takes them."""
    assert Excerpt(b"caf\xe9 error".decode("utf-8", "surrogateescape")).lines == ["caf? error"]


def test_what_json_escapes_is_read() -> None:
    """A message in Chinese, as JSON writes it where only ASCII may be written."""
    assert Excerpt(r'{"message": "\u5bc6\u7801\u9519\u8bef"}').text == '{"message": "密码错误"}'


def test_what_is_escaped_does_not_end_a_line() -> None:
    """Nor does half of a pair become a character."""
    text = r'{"message": "a\u000ab\u2028c\ud83d"}'
    assert Excerpt(text).text == text


def test_fields_that_say_that_nothing_is_wrong_are_no_words() -> None:
    """They are not searched; places stay, and a field that says something is."""
    text = '{"timed_out": false, "errors":0,"ok":false,"error":"refused","locks":[]}'
    read = Excerpt(text)
    assert read.low.split() == ["{", ",", ',"ok":false,"error":"refused",', "}"]
    assert len(read.low) == len(text)
    assert read.text == text


@pytest.mark.parametrize(
    "text",
    [
        'a "b"\n  c < d',
        "a &quot;b&quot;\n  c &lt; d",
        'a "b"\\n  c < d',
        '{"log":"a \\"b\\"\\n","stream":"stderr"}\n{"log":"  c < d\\n","stream":"stderr"}',
        '2026-03-03T10:11:12.123456789Z stderr F a "b"\n2026-03-03T10:11:12.1Z stderr F   c < d',
    ],
)
def test_however_it_was_copied_it_is_the_same_text(text: str) -> None:
    """From a page, from a string, from what Docker and Kubernetes keep."""
    assert Excerpt(text).lines == ['a "b"', "  c < d"]


def test_a_path_of_windows_holds_no_end_of_a_line() -> None:
    """Though it looks like one."""
    assert Excerpt(r"cannot open C:\new\nginx.conf").lines == [r"cannot open C:\new\nginx.conf"]


@pytest.mark.parametrize(
    "text",
    ['{"log":"\\ud800 error","stream":"x"}', '{"log":"' + "[" * 100_000, '{"log":7,"stream":1}',
     '{"log":"x","a":' + "[" * 100_000, "&#xd800; &quot; &#27;[2J"],
)  # fmt: skip
def test_what_only_looks_like_a_kept_line_does_no_harm(text: str) -> None:
    """Halves of characters, nests without an end, other types."""
    "\n".join(Excerpt(text).lines).encode("utf-8")
