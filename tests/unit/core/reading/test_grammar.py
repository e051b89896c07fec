"""The grammar of complaints: what is said of what, where no signature knows the words."""

import pytest

from autoloop.core.reading import signature_engine
from autoloop.core.reading.grammar import complains, grammar


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("the ledger table is malformed", "DATABASE.schema_mismatch"),
        ("zone transfer 'shop.example/in' denied", "LOGIN.permission_role"),
        ("the plugin is not present", "CODE.import_error"),
        ("paths must be absolute", "CONFIG.missing_file"),
        ("no gateway connected", "SERVICE.upstream_unreachable"),
        ("the parcel already exists", "CODE.logic_error"),
        ("账户余额查询不存在", "LOGIN.user_not_exist"),
        ("proxy must be true or false", "CODE.logic_error"),
        ("the pool size must be a positive integer", "CODE.logic_error"),
        ("unknown cache backend 'shopcache'", "CONFIG.invalid_config_file"),
        ("redis 未连接", "DATABASE.connection_error"),
        ("该角色被禁用", "LOGIN.account_locked"),
        ("database service is not open", "DATABASE.connection_error"),
        ("all is well", ""),
    ],
)
def test_what_a_line_complains_of(line: str, name: str) -> None:
    """A kind of complaint, and the topic next to it."""
    assert grammar().read(line) == name


def test_without_a_topic_nothing_is_said_to_who_asks_for_one() -> None:
    """A name of an exception is known better than "something is missing"."""
    assert grammar().read("no such parcel") == "CODE.logic_error"
    assert grammar().read("no such parcel", topical=True) == ""


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("reading user-defined collations", False),
        ("selecting default max_connections ... 100", False),
        ("connection with the replica established", False),
        ("only administrators may delete orders", True),
        ("keine berechtigung", True),
        ("库存不足", True),
    ],
)
def test_which_lines_complain_at_all(line: str, told: bool) -> None:
    """In English, Chinese, and the commonest words of others."""
    assert complains(line) is told


def test_a_short_message_alone_may_be_a_complaint() -> None:
    """No word of it needs to alarm."""
    assert grammar().claims_trouble("the coupon has already been redeemed")
    assert grammar().claims_trouble("请先调用 open_cart()".lower())
    assert not grammar().claims_trouble("the coupon was redeemed")


def test_every_topic_has_a_meaning() -> None:
    """For each kind; so no answer is left out."""
    known = grammar()
    kinds, topics = known.words.names
    assert topics | {"nothing"} == known.means.keys()
    assert known.anyway.keys() <= kinds
    assert all("else" in means for means in known.means.values())
    assert all(means.keys() - {"else"} <= kinds for means in known.means.values())


@pytest.mark.parametrize(
    ("text", "name", "culprit"),
    [
        ("[ERROR] shopctl not found in bin/ or the path", "CONFIG.missing_file", "shopctl"),
        ("启动失败：端口 8123 超时", "SERVICE.timeout", "8123"),
        ("Attempt 0 failed: OutOfMemoryError: Java heap space", "SERVICE.memory_leak", ""),
        ("** (KeyError) key :id not found\n    (shop 1.0) lib/cart.ex:33: Cart.id/1",
         "CODE.runtime_error", "lib/cart.ex:33"),
        ("=ERROR REPORT==== 3-Mar-2026::10:00:00 ===\nno vault 'parcels' is present",
         "CODE.logic_error", "parcels"),
        ("  ✓ refuses an invalid token\n  1 passing", "NONE.benign", ""),
        ("{\"level\":\"warn\",\"caller\":\"shopd/util.go:170\",\"error\":\"etcdserver: no space\"}",
         "DATABASE.disk_full_db", ""),
    ],
)  # fmt: skip
def test_texts_that_no_signature_knows_as_a_whole(text: str, name: str, culprit: str) -> None:
    """Reasons behind colons, counts that are none, frames of Elixir, lines below a header."""
    top = signature_engine().read(text)[0]
    assert (top.name, culprit in top.culprit) == (name, True), top
