"""The certificates that this host shows on its own TLS ports. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). Nothing is verified: that a
certificate has expired is what is asked for, and its dates are read from the certificate itself.
"""

import calendar
import socket
import ssl
import time

UTC_TIME, GENERALIZED_TIME, VERSION = 0x17, 0x18, 0xA0
COMMON_NAME = b"\x06\x03\x55\x04\x03"
ADDRESSES = ("127.0.0.1", "::1")


def read_certificates(args):
    """A row for each of ``ports``: ``port``, ``subject``, ``starts`` and ``ends`` (seconds since
    1970, 0 when there is no answer), ``error``."""
    wait = float(args.get("timeout_s", 2))
    return [certificate_of(int(port), wait) for port in args["ports"]]


def certificate_of(port, wait):
    row = {"port": port, "subject": "", "starts": 0, "ends": 0, "error": ""}
    for address in ADDRESSES:
        try:
            data = shown_certificate(address, port, wait)
            row["starts"], row["ends"], row["subject"] = dates_and_name(data)
            row["error"] = ""
            return row
        except (OSError, ValueError, IndexError) as error:
            row["error"] = row["error"] or str(error)[:200] or type(error).__name__
    return row


def shown_certificate(address, port, wait):
    """The certificate in DER, as it is shown to a client that names no host."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection((address, port), wait) as plain:
        with context.wrap_socket(plain) as wrapped:
            return wrapped.getpeercert(binary_form=True) or b""


def dates_and_name(data):
    """Start and end of validity, and the subject's common name, of a certificate in DER."""
    _, start, end = element(data, 0)
    _, start, end = element(data, start)
    parts = elements(data, start, end)
    if parts[0][0] == VERSION:
        parts = parts[1:]
    # serial number, algorithm, issuer, validity, subject
    _, start, end = parts[3]
    starts, ends = [moment(data, *part) for part in elements(data, start, end)][:2]
    _, start, end = parts[4]
    return starts, ends, common_name(data[start:end])


def element(data, at):
    """The tag of the element at a place, and where its content starts and ends."""
    tag, size, start = data[at], data[at + 1], at + 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[at + 2 : start], "big")
    if start + size > len(data):
        raise ValueError("a certificate that is cut")
    return tag, start, start + size


def elements(data, start, end):
    found = []
    while start < end:
        found.append(element(data, start))
        start = found[-1][2]
    return found


def moment(data, tag, start, end):
    """Seconds since 1970; years of two digits are of 1950 to 2049 (RFC 5280)."""
    text = data[start:end].decode("ascii")
    if tag == UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    elif tag != GENERALIZED_TIME:
        raise ValueError("a validity that is no time")
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def common_name(subject):
    _before, found, after = subject.partition(COMMON_NAME)
    if not found:
        return ""
    _, start, end = element(after, 0)
    return after[start:end].decode("utf-8", "replace")[:100]
