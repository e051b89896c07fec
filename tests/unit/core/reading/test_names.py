"""Names: what an exception or a code of an error means, by the words that it is made of."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoloop.core.reading import text_engine
from autoloop.core.reading.names import EXACT, SURE, VAGUE, names


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("com.example.pay.CallTimeoutException", "SERVICE.timeout"),
        ("ShopUserNotFoundError", "LOGIN.user_not_exist"),
        ("OrderDatabaseConnectionException", "DATABASE.connection_error"),
        ("CartSessionExpiredException", "LOGIN.token_expired"),
        ("ShopConfigurationException", "CONFIG.invalid_config_file"),
        ("PriceParserException", "CODE.syntax_error"),
        ("ERR_ACCOUNT_LOCKED", "LOGIN.account_locked"),
        ("MediaFileNotFoundException", "CONFIG.missing_file"),
        ("PeerTlsHandshakeError", "SERVICE.tls_certificate"),
        ("InvoiceDuplicateKeyException", "CODE.logic_error"),
    ],
)
def test_a_name_that_nobody_listed_is_read_by_its_words(name: str, cause: str) -> None:
    """As long as its words are known; the more of them, the surer."""
    assert text_engine().read(f"2026-03-03 10:00:00 ERROR {name}: shop 7")[0].name == cause


def test_a_code_in_a_document_is_read_too() -> None:
    """As web services answer."""
    assert text_engine().read('{"error": "session_expired"}')[0].name == "LOGIN.token_expired"


def test_an_exception_without_a_known_word_is_one_of_the_application() -> None:
    """And little is known of it."""
    assert names().of("FluxCompensatorException") == ("CODE.runtime_error", VAGUE - 0.05)


def test_what_is_listed_outweighs_what_is_composed() -> None:
    """A name as a whole, then two words, then one."""
    assert EXACT > SURE > VAGUE


@settings(max_examples=200)
@given(st.text(max_size=200))
def test_any_line_can_be_read(line: str) -> None:
    """What is found stands where it is said to stand."""
    for named in names().read(line):
        assert 0 <= named.start < named.end <= len(line)
