"""The protocol of MySQL and MariaDB: logging in, and the rows of a query. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer). It is described at
https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html

A password is sent as a proof. A server that wants it itself is sent it inside TLS, over a Unix
socket, or encrypted with the server's key. Where it wants something else, the account is not tried
and that is said.
"""

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct

from autoloop.agent.line import Failed, unverified

MOST = 1 << 20  # bytes that are taken of one server
STEPS = 8  # of an authentication
COLUMNS = 16  # of an answer

DATABASE, TLS = 1 << 3, 1 << 11
PLUGINS, ATTRIBUTES = 1 << 19, 1 << 20
ABLE = 1 | 1 << 9 | 1 << 13 | 1 << 15 | PLUGINS | ATTRIBUTES  # 4.1, transactions, long proofs
UTF8 = 45


def log_in(line, row):
    """A connection on which the account of *row* is logged in, as the application would be.

    Errors carry the server's number. A server that refuses this host or is full says so in the
    place of its greeting.
    """
    talk = Talk(line)
    able, salt, plugin = greeting(talk.take())
    able &= ABLE | TLS | DATABASE
    if not row["database"]:
        able &= ~DATABASE
    if not inside_tls(talk, row["sslmode"], able):
        able &= ~TLS
    authenticate(talk, row, able, salt, plugin)
    return talk


class Talk:
    """Packets to and from a server; each has its number within one exchange."""

    def __init__(self, line):
        self.line, self.number, self.left = line, 0, MOST

    def begin(self, data):
        self.number = 0
        self.send(data)

    def send(self, data):
        self.line.send(struct.pack("<I", len(data) | self.number << 24) + data)
        self.number = (self.number + 1) % 256

    def take(self):
        """The next packet; one that tells an error is raised."""
        number, size = divmod(struct.unpack("<I", self.line.take(4))[0], 1 << 24)
        self.number = (number + 1) % 256
        self.left -= size
        if self.left < 0:
            raise Failed("login", "nonsense", "it does not speak MySQL's protocol")
        data = self.line.take(size)
        if data[:1] == b"\xff":
            raise refusal(data)
        return data

    @property
    def safe(self):
        """Whether nobody on the way can read what is sent."""
        sock = self.line.sock
        return sock.family == socket.AF_UNIX or isinstance(sock, ssl.SSLSocket)


def refusal(data):
    """An error: its number, and its words without the SQLSTATE that newer servers give."""
    code, says = struct.unpack("<H", data[1:3])[0], data[3:]
    says = says[6:] if says[:1] == b"#" else says
    return Failed("login", "refused by server", says.decode("utf-8", "replace"), str(code))


def greeting(data):
    """What the server is able to, its salt, and how it usually authenticates."""
    if data[:1] != b"\n":
        raise Failed("login", "nonsense", "it does not speak MySQL's protocol")
    rest = data[1:].partition(b"\0")[2]
    low, high = struct.unpack("<H", rest[13:15])[0], struct.unpack("<H", rest[18:20])[0]
    size = max(13, rest[20] - 8)
    salt = (rest[4:12] + rest[31 : 31 + size])[:20]
    return low | high << 16, salt, rest[31 + size :].partition(b"\0")[0].decode("ascii", "replace")


def inside_tls(talk, mode, able):
    """Go on inside TLS, where the server is able to and it is not turned off."""
    local = talk.line.sock.family == socket.AF_UNIX
    if mode == "disable" or local or not able & TLS:
        if mode not in ("disable", "prefer", "allow") and not local:
            raise Failed("tls", "tls", "the server speaks no TLS, sslmode is " + mode)
        return False
    talk.send(opening(able))
    talk.line.sock, talk.line.held = unverified(talk.line.sock), b""
    return True


def opening(able):
    return struct.pack("<IIB23x", able, MOST, UTF8)


def authenticate(talk, row, able, salt, plugin):
    """Show who we are, in the way that the server asks for."""
    password = row["password"].encode()
    plugin = plugin if plugin in PROOFS else "mysql_native_password"
    proof = PROOFS[plugin](password, salt)
    words = [row["user"].encode() + b"\0" + bytes([len(proof)]) + proof]
    if able & DATABASE:
        words.append(row["database"].encode() + b"\0")
    if able & PLUGINS:
        words.append(plugin.encode() + b"\0")
    if able & ATTRIBUTES:
        words.append(b"\x16\x0cprogram_name\x08autoloop")
    talk.send(opening(able) + b"".join(words))
    for _ in range(STEPS):
        data = talk.take()
        if data[:1] == b"\0":
            return
        if data[:1] == b"\xfe":
            name, _, salt = data[1:].partition(b"\0")
            plugin, salt = name.decode("ascii", "replace"), salt[:20]
            talk.send(answer_to(talk, plugin, password, salt))
        elif data == b"\x01\x04":
            talk.send(itself(talk, b"\x02", password, salt))
        elif data != b"\x01\x03":
            break
    raise Failed("login", "nonsense", "it does not speak MySQL's protocol")


def answer_to(talk, plugin, password, salt):
    """What a server is sent that wants to be shown the password by *plugin*."""
    if plugin == "sha256_password":
        return itself(talk, b"\x01", password, salt) if password else b"\0"
    if plugin not in PROOFS:
        not_asked(talk, plugin or "mysql_old_password")
    return PROOFS[plugin](password, salt)


def itself(talk, wish, password, salt):
    """The password, so that nobody on the way can read it; *wish* asks for the server's key."""
    if talk.safe:
        return password + b"\0"
    talk.send(wish)
    salted = bytes(a ^ b for a, b in zip(password + b"\0", salt * (len(password) // 20 + 1)))
    return encrypted(salted, *public_key(talk.take()[1:]))


def not_asked(talk, how):
    """Give up as one who has no password: a server counts those who only leave, and after a
    hundred it lets nobody in from their host."""
    with contextlib.suppress(Failed):
        talk.send(b"")
        talk.take()
    raise Failed("login", "not asked", "it wants authentication by " + how[:64])


def native_proof(password, salt):
    """``mysql_native_password``."""
    once = hashlib.sha1(password).digest()
    return mixed(once, hashlib.sha1(salt + hashlib.sha1(once).digest())) if password else b""


def sha2_proof(password, salt):
    """``caching_sha2_password``; a server that has not seen the password yet wants it itself."""
    once = hashlib.sha256(password).digest()
    return mixed(once, hashlib.sha256(hashlib.sha256(once).digest() + salt)) if password else b""


def mixed(once, seasoned):
    return bytes(a ^ b for a, b in zip(once, seasoned.digest()))


PROOFS = {"mysql_native_password": native_proof, "caching_sha2_password": sha2_proof}


def public_key(pem):
    """Modulus and exponent of an RSA key (RFC 5280, 4.1: SubjectPublicKeyInfo)."""
    der = base64.b64decode(b"".join(pem.split(b"-----")[2].split()))
    _, bits = parts_of(parts_of(der)[0])[:2]
    modulus, exponent = (
        int.from_bytes(part, "big") for part in parts_of(parts_of(bits[1:])[0])[:2]
    )
    if modulus.bit_length() > 8192 or exponent.bit_length() > 32:
        raise Failed("login", "nonsense", "shows a key of %d bits" % modulus.bit_length())
    return modulus, exponent


def parts_of(der):
    """The contents of the elements that follow each other."""
    parts, place = [], 0
    while place < len(der):
        size, place = der[place + 1], place + 2
        if size > 0x7F:
            wide = size & 0x7F
            size, place = int.from_bytes(der[place : place + wide], "big"), place + wide
        parts.append(der[place : place + size])
        place += size
    return parts


def encrypted(data, modulus, exponent):
    """RSA with OAEP and SHA-1 (RFC 8017, 7.1.1)."""
    size = (modulus.bit_length() + 7) // 8
    if len(data) > size - 42:
        raise Failed("login", "nonsense", "shows a key of %d bits" % modulus.bit_length())
    block = hashlib.sha1(b"").digest() + b"\0" * (size - len(data) - 42) + b"\1" + data
    seed = os.urandom(20)
    block = masked(block, seed)
    whole = b"\0" + masked(seed, block) + block
    return pow(int.from_bytes(whole, "big"), exponent, modulus).to_bytes(size, "big")


def masked(data, seed):
    """MGF1 with SHA-1."""
    rounds = range(len(data) // 20 + 1)
    mask = b"".join(hashlib.sha1(seed + struct.pack(">I", n)).digest() for n in rounds)
    return bytes(a ^ b for a, b in zip(data, mask))


def rows_of(talk, words):
    """The rows of a query, as text; None for null."""
    talk.begin(b"\x03" + words.encode())
    first = talk.take()
    if first[:1] == b"\0":
        return []
    if not 0 < first[0] <= COLUMNS:  # also a wish for a file of this host
        raise Failed("query", "nonsense", "it does not speak MySQL's protocol")
    for _ in range(first[0] + 1):
        talk.take()
    rows = []
    while True:
        data = talk.take()
        if data[:1] == b"\xfe" and len(data) < 9:
            return rows
        rows.append(values_of(data, first[0]))


def values_of(data, count):
    values, place = [], 0
    for _ in range(count):
        size, place = size_at(data, place)
        values.append(None if size < 0 else data[place : place + size].decode("utf-8", "replace"))
        place += max(size, 0)
    return values


def size_at(data, place):
    """A length of one to nine bytes, -1 for null, and where it ends."""
    first = data[place]
    if first == 0xFB:
        return -1, place + 1
    width = {0xFC: 2, 0xFD: 3, 0xFE: 8}.get(first, 0)
    end = place + 1 + width
    return (int.from_bytes(data[place + 1 : end], "little") if width else first), end
