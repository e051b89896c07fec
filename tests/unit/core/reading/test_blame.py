"""Blame: the names in a line, and which of them is the culprit where no pattern says it."""

import pytest

from autoloop.core.reading import blame, text_engine
from autoloop.core.reading.blame import Complaint, blamed, marked, weighed
from autoloop.core.reading.culprits import agreed, names_nothing, trimmed
from autoloop.core.reading.entities import entities, kind_of
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.plain import plain
from autoloop.core.reading.traces import trace_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("10.0.0.7", "ip"),
        ("10.0.0.7:5432", "ip:port"),
        ("db1:5432", "host:port"),
        ("::1", "ipv6"),
        ("/var/log/shop.log", "path"),
        ("shop.py:12", "place"),
        ("shop.service", "unit"),
        ("DATABASE_URL", "setting"),
        ("com.example.shop.Cart", "class"),
        ("shop.yml", "file"),
        ("order_items", "snake"),
        ("worker-3", "dashed"),
        ("KeyError", "exception"),
        ("8080", "number"),
        ("nobody@example.org", "mail"),
        ("a b", "phrase"),
    ],
)
def test_the_kind_of_a_name(name: str, kind: str) -> None:
    """By its looks."""
    assert kind_of(name) == kind


def test_the_names_in_a_line() -> None:
    """With what stands around them: the key, its sign, the quotes; plain words are none."""
    found = {
        one.text: one for one in entities('job=export could not open "x y": see http://a.b/c.')
    }
    assert set(found) >= {"export", "x y", "http://a.b/c"}
    assert (found["export"].before, found["export"].sign) == ("job", "=")
    assert found["x y"].quote == '"'
    assert found["http://a.b/c"].last
    assert "could" not in found


def test_keys_of_json_name_nothing() -> None:
    """Their values may; a quoted name with a colon behind it is no key."""
    found = [one.text for one in entities('{"level":"high", "unit": "shopd"}')]
    assert found == ["high", "shopd"]
    assert "cart x" in [one.text for one in entities('could not open "cart x": gone')]


def test_parts_of_one_name_are_one_name() -> None:
    """A table in its database, an account at its host; the parts are names too."""
    found = [one.text for one in entities("no `shop`.`orders` for 'web'@'10.%'")]
    assert found == ["shop.orders", "shop", "orders", "web@10.%", "web", "10.%"]


def test_the_place_of_an_exception_in_a_template_is_no_name() -> None:
    """Others are; a blank between quotes is none."""
    assert [one.text for one in entities("cannot reach {shop}: {exc}")] == ["{shop}"]
    found = [one.text for one in entities("reading %(path)s ' ' failed: %(err)s")]
    assert "%(path)s" in found and "err" not in found


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("port %d of %s is taken", ["%d", "%s"]),
        ("no answer from {host}:{port}, tried {0} times", ["{host}:{port}", "{0}"]),
        ("cannot open ${base}/carts-#{day}.csv", ["${base}/carts-#{day}.csv"]),
        ('{"used": {}, "free": 20%}', []),
    ],
)
def test_what_a_template_fills_in_is_a_name(line: str, names: list[str]) -> None:
    """With its signs, and with what stands directly before and behind it."""
    assert [one.text for one in entities(line)] == names


def test_an_address_ends_where_something_is_said_of_it() -> None:
    """As Hadoop writes it, as name servers write it, and both ends of a connection."""
    found = [one.text for one in entities("10.0.0.1:50010:Got x; 10.0.0.2#53: 10.0.0.3->10.0.0.4")]
    assert found == ["10.0.0.1:50010", "10.0.0.2", "10.0.0.3", "10.0.0.4"]


def test_the_query_of_an_address_is_none_of_its_name() -> None:
    """Its host is a name of its own."""
    found = [one.text for one in entities("GET https://api.example/v1?key=1&x=2 failed")]
    assert found == ["https://api.example/v1", "api.example"]


def test_what_patterns_agree_on_is_not_weighed() -> None:
    """Those of the cause and those of its class."""
    assert agreed((("cause", "a"), ("class", "a"))) == "a"
    assert agreed((("cause", "a"), ("class", "b"))) == agreed((("near", "a"),)) == agreed(()) == ""


def test_what_patterns_think_weighs() -> None:
    """But it does not decide."""
    line = "exporter-3 and mailer-7 went away"
    excerpt = Excerpt(line)
    for thought in ("exporter-3", "mailer-7"):
        asked = Complaint("SERVICE.service_down", 0, thought=(("cause", thought),))
        assert ("told first",) in marked(asked, excerpt, trace_of(excerpt))[thought]


@pytest.mark.parametrize(
    "name",
    [
        *("HTTP/1.1", "Mozilla/5.0", "ORA-01653", "42P01", "203/EXEC"),
        *("100%", "x509", "GMT+0000", "0x0000274D/10061"),
    ],
)
def test_numbers_of_messages_and_protocols_are_no_names(name: str) -> None:
    """They are the same wherever the trouble is."""
    assert names_nothing(name)


def complaint(text: str, name: str = "CODE.logic_error") -> str:
    """The name that weighs most in a text of one line."""
    excerpt = Excerpt(text)
    return weighed(Complaint(name, 0), excerpt, trace_of(excerpt))


def test_what_is_told_is_blamed() -> None:
    """It is not asked what else may be."""
    excerpt = Excerpt("mailer-7 is gone, cause unclear")
    assert (
        blamed(Complaint("SERVICE.service_down", 0, told="smtpd"), excerpt, trace_of(excerpt))
        == "smtpd"
    )


def test_no_name_no_blame() -> None:
    """Words of complaints are no names."""
    assert complaint("could not be found") == ""


def test_times_and_requests_are_no_names() -> None:
    """Nor are processes: the same trouble has the same culprit tomorrow."""
    text = "2026-03-03T10:11:12Z shop[4711]: 6f9619ff-8b86-4d01-b42d-00cf4fc964ff failed"
    excerpt = Excerpt(text)
    assert set(marked(Complaint("CODE.logic_error", 0), excerpt, trace_of(excerpt))) == {"shop"}


def test_the_day_in_the_name_of_a_file_stays() -> None:
    """So does the number of a request in a path; what is left out would name another file."""
    for name in (
        "logs/2026-03-03-shop.log",
        "/srv/shop/6f9619ff-8b86-4d01-b42d-00cf4fc964ff.tmp",
        "/srv/2026/03/03/basket",
    ):
        assert name in plain(f"2026-03-03 10:11:12 EACCES: permission denied, open '{name}'")


def test_levels_in_brackets_are_no_names() -> None:
    """Other names in brackets are."""
    assert [one.text for one in entities("[ERROR] [shop-cart] basket-7 stopped")] == [
        "shop-cart",
        "basket-7",
    ]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("ERROR: BasketMQ failed", ["BasketMQ"]),
        ("### 7. basket-7 stopped", ["basket-7"]),
        ("the files of basket-7 failed", ["basket-7"]),
        ("disk of basket-7 is 100% full", ["basket-7"]),
    ],
)
def test_words_as_any_are_no_names(line: str, names: list[str]) -> None:
    """Nor are levels, numbers of a list and percentages."""
    found = [one.text for one in entities(line) if one.kind != "word" or one.text in names]
    assert found == names


def test_a_name_for_which_hardly_anything_speaks_is_not_blamed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of such names one in thirty was the culprit."""
    text = "something went wrong with it, since ours is amber"
    monkeypatch.setattr(blame, "LEAST", float("-inf"))
    assert complaint(text)
    monkeypatch.setattr(blame, "LEAST", float("inf"))
    assert complaint(text) == ""


def test_markdown_escapes_are_none_of_a_name() -> None:
    """The folders of Windows are."""
    assert trimmed(r"cart\_items") == "cart_items"
    assert trimmed(r"C:\shop\_new") == r"C:\shop\_new"


def test_who_logged_in_meanwhile_is_not_blamed() -> None:
    """Nor is a line of the runtime for what is not the code's fault."""
    for line, other in (
        ("su: session opened for user news by (uid=0)", "news"),
        ("    at Server._listen2 (net.js:909:14)", "net.js:909"),
    ):
        excerpt = Excerpt(f"Error: exporter-3 could not be started\n{line}")
        names = marked(Complaint("SERVICE.service_down", 0), excerpt, trace_of(excerpt))
        assert "exporter-3" in names
        assert not [name for name in names if name.startswith(other)]


def test_a_secret_is_no_name() -> None:
    """Neither in the line of the trouble nor beside it."""
    text = "exporter: cannot go on\npassword=hunter2 api_key: abcdefgh12345678"
    excerpt = Excerpt(text)
    names = marked(Complaint("SERVICE.service_down", 0), excerpt, trace_of(excerpt))
    assert not [name for name in names if "hunter2" in name or "abcdefgh" in name]


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("ERROR exporter-3 gave up: exit status 1", "exporter-3"),
        ("ERROR failed to process /srv/in/orders.csv", "/srv/in/orders.csv"),
    ],
)
def test_who_is_blamed(text: str, culprit: str) -> None:
    """A name that no pattern knows."""
    assert text_engine().read(text)[0].culprit == culprit


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("cannot run 'make': [Errno 2]", "make"),
        ("| File descriptor exhaustion in shop-web | it logs `too many open files` |", "shop-web"),
        ("-OOM command not allowed when used memory > 'maxmemory'.", "maxmemory"),
    ],
)
def test_what_only_repeats_the_complaint_is_no_culprit(text: str, culprit: str) -> None:
    """A word of it that stands in quotes is one."""
    assert text_engine().read(text)[0].culprit == culprit
