"""Names of errors, as people write them."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.errors import BadRequest
from autoloop.core.reading import text_engine
from autoloop.core.taxonomy import CLASSES, KINDS, default_severity, meaning, type_of


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("login", "LOGIN"),
        (" Login ", "LOGIN"),
        ("登录", "LOGIN"),
        ("登陆", "LOGIN"),
        ("login_error", "LOGIN"),
        ("LOGIN.wrong_password", "LOGIN.wrong_password"),
        ("login.Wrong-Password", "LOGIN.wrong_password"),
        ("wrong password", "LOGIN.wrong_password"),
        ("数据库", "DATABASE"),
        ("数据库错误", "DATABASE"),
        ("db", "DATABASE"),
        ("配置", "CONFIG"),
        ("服务未运行", "SERVICE.service_down"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_a_type_may_be_written_in_many_ways(said: str, name: str) -> None:
    """Any case, English or Chinese, a class or a full name."""
    assert type_of(said) == name


def test_an_unknown_type_is_answered_with_those_there_are() -> None:
    """The classes; within a class its subtypes."""
    with pytest.raises(BadRequest) as caught:
        type_of("weather")
    assert all(name in str(caught.value) for name in CLASSES)
    with pytest.raises(BadRequest, match=r"LOGIN\.wrong_password, LOGIN\.user_not_exist"):
        type_of("登录.nix")


@given(st.text(max_size=300))
def test_any_word_is_a_type_or_refused(word: str) -> None:
    """Nothing else comes of it."""
    with suppress(BadRequest):
        assert type_of(word) in {"", *CLASSES, *KINDS}


def test_every_name_has_words_in_both_languages_and_a_severity() -> None:
    """Also those that signatures find."""
    for name in KINDS:
        assert meaning(name).en and meaning(name).zh
        assert type_of(name) == type_of(name.lower()) == name
        assert default_severity(name) in ("P0", "P1", "P2")
    found = {cause.name for cause in text_engine().read("密码错误")}
    assert found <= set(KINDS)
