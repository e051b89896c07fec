"""The way to a server and the bytes to and from it, by a deadline. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer).
"""

import os
import socket
import ssl
import time


class Failed(Exception):
    """A step that did not work: which one, what kind of failure, and what was said."""

    def __init__(self, step, kind, says="", code=""):
        super().__init__(says)
        self.step, self.kind, self.says, self.code = step, kind, says, code


def resolve(host, port):
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        kind = "no such name"
        if getattr(error, "errno", None) == socket.EAI_AGAIN:
            kind = "no name server"
        raise Failed("name", kind, str(error))


def connect(found, end):
    """A connection to the first address that takes one; otherwise the last one's failure."""
    failed = Failed("connection", "unreachable", "no address")
    for family, kind, number, _name, address in found:
        sock = socket.socket(family, kind, number)
        try:
            sock.settimeout(max(0.05, end - time.monotonic()))
            sock.connect(address)
            return sock
        except socket.timeout:
            failed = Failed("connection", "timeout", "nobody answers: nothing comes back")
        except ConnectionRefusedError:
            failed = Failed("connection", "refused", "nobody listens there")
        except OSError as error:
            failed = Failed("connection", "unreachable", os.strerror(error.errno or 0))
        sock.close()
    raise failed


def connect_to_path(path, end):
    """A connection to a Unix socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(max(0.05, end - time.monotonic()))
        sock.connect(path)
        return sock
    except socket.timeout:
        failed = Failed("connection", "timeout", "nobody answers: nothing comes back")
    except OSError as error:
        failed = Failed("connection", "refused", os.strerror(error.errno or 0))
    sock.close()
    raise failed


def wrapped(sock, host):
    """The connection inside TLS, its certificate verified by this host's own authorities."""
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except ssl.SSLError as error:
        says = getattr(error, "verify_message", "") or error.reason or str(error)
        raise Failed("tls", "certificate" if "verify" in str(error) else "tls", says)
    except OSError as error:
        raise Failed("tls", "tls", str(error))


class Line:
    """Bytes to and from a server, before the time is up."""

    def __init__(self, sock, end):
        self.sock, self.end, self.held = sock, end, b""

    def send(self, data):
        try:
            self.sock.settimeout(max(0.05, self.end - time.monotonic()))
            self.sock.sendall(data)
        except (OSError, ValueError) as error:
            raise Failed("login", "closed", str(error))

    def take(self, size):
        while len(self.held) < size:
            self.more()
        data, self.held = self.held[:size], self.held[size:]
        return data

    def line(self):
        while b"\r\n" not in self.held and len(self.held) < 4096:
            self.more()
        line, _, self.held = self.held.partition(b"\r\n")
        return line.decode("utf-8", "replace")

    def more(self):
        try:
            self.sock.settimeout(max(0.05, self.end - time.monotonic()))
            data = self.sock.recv(4096)
        except socket.timeout:
            raise Failed("login", "timeout", "it takes connections and says nothing")
        except OSError as error:
            raise Failed("login", "closed", str(error))
        if not data:
            raise Failed("login", "closed", "it closes the connection")
        self.held += data


def unverified(sock):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(sock)
    except (ssl.SSLError, OSError) as error:
        raise Failed("tls", "tls", str(error))
