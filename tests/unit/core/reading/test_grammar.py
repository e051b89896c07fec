"""The grammar of complaints: what is said of what, where no signature knows the words."""

import pytest

from autoloop.core.reading import text_engine
from autoloop.core.reading.grammar import grammar


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


def test_every_topic_has_a_meaning() -> None:
    """For each kind; so no answer is left out."""
    known = grammar()
    assert known.topics.keys() | {"nothing"} == known.means.keys()
    assert all("else" in means for means in known.means.values())
    assert all(means.keys() - {"else"} <= known.kinds.keys() for means in known.means.values())


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
    top = text_engine().read(text)[0]
    assert (top.name, culprit in top.culprit) == (name, True), top
