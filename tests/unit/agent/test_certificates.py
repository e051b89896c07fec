"""Dates and names of certificates, as openssl makes them."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.agent.certificates import dates_and_name, moment, read_certificates

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def made(folder: Path, *more: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-keyout", str(key), "-out", str(cert), *more]
    subprocess.run(words, check=True, capture_output=True)
    return cert, key


def der(cert: Path) -> bytes:
    """The certificate without its wrapping."""
    return ssl.PEM_cert_to_DER_cert(cert.read_text())


@pytest.mark.parametrize(
    ("subject", "days", "name"),
    [
        ("/CN=shop.example", 1, "shop.example"),
        ("/C=DE/O=Shop/CN=灵芝.example/OU=web", 20000, "灵芝.example"),  # beyond 2049
        ("/O=Nobody", 365, ""),
    ],
)
def test_dates_and_name_are_as_python_reads_them(
    tmp_path: Path, subject: str, days: int, name: str
) -> None:
    """Both ways in which a date is written, names in any order."""
    cert, _ = made(tmp_path, "-utf8", "-subj", subject, "-days", str(days))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cert)
    (known,) = context.get_ca_certs()
    starts, ends, found = dates_and_name(der(cert))
    assert starts == ssl.cert_time_to_seconds(str(known["notBefore"]))
    assert ends == ssl.cert_time_to_seconds(str(known["notAfter"]))
    assert found == name


@pytest.mark.parametrize(
    ("tag", "text", "seconds"),
    [
        (0x17, b"491231235959Z", 2524607999),
        (0x17, b"500101000000Z", -631152000),
        (0x18, b"20500101000000Z", 2524608000),
    ],
)
def test_two_digits_of_a_year_are_of_this_century_or_the_last(
    tag: int, text: bytes, seconds: int
) -> None:
    """As RFC 5280 has it."""
    assert moment(text, tag, 0, len(text)) == seconds


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_an_error_that_is_expected(data: bytes) -> None:
    """A server may show anything."""
    with pytest.raises((ValueError, IndexError)):
        dates_and_name(data)


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """A server that shows a certificate to one client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*made(tmp_path, "-subj", "/CN=shop.example", "-days", "2"))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            with plain, context.wrap_socket(plain, server_side=True) as wrapped:
                wrapped.recv(1)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


def test_a_port_shows_its_certificate(port: int) -> None:
    """Nobody vouches for it; its dates are told all the same."""
    (row,) = read_certificates({"ports": [port]})
    assert (row["port"], row["subject"], row["error"]) == (port, "shop.example", "")
    assert row["ends"] - row["starts"] == 2 * 86400


def test_a_port_without_an_answer_says_why() -> None:
    """Nobody listens: no dates."""
    with socket.create_server(("127.0.0.1", 0)) as once:
        number = once.getsockname()[1]
    (row,) = read_certificates({"ports": [number], "timeout_s": 1})
    assert row["ends"] == 0
    assert "refused" in row["error"]
