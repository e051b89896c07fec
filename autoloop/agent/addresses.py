"""The servers that an application's settings name. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer).
"""

import re
import urllib.parse

MOST = 32  # addresses of one settings file
PORTS = {
    "postgresql": 5432,
    "mysql": 3306,
    "redis": 6379,
    "rediss": 6379,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
    "http": 80,
    "https": 443,
    "smtp": 25,
    "smtps": 465,
    "ldap": 389,
    "ldaps": 636,
    "nats": 4222,
}
NAMES = {
    "postgres": "postgresql",
    "pgsql": "postgresql",
    "pg": "postgresql",
    "postgresql_psycopg2": "postgresql",
    "mariadb": "mysql",
    "mysql2": "mysql",
    "mysqli": "mysql",
    "mongo": "mongodb",
}
BY_NAME = frozenset(["postgresql", "mysql", "redis"])
"""What ``MYSQL_HOST`` speaks is in its name, its port need not be given."""

SOCKETS = ("unix_socket", "socket", "unixSocket", "socketPath")
TLS_MODES = {"disabled": "disable", "preferred": "prefer", "required": "require"}

ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*[=:]\s*(.*?)\s*$")


def settings_of(text):
    """Names and values of ``NAME=value`` lines; quotes around a value are taken off."""
    found = {}
    for line in text.splitlines():
        match = ASSIGNED.match(line)
        if match and not line.lstrip().startswith("#"):
            value = match.group(2)
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            found[match.group(1)] = value
    return found


def addresses_in(settings):
    """The servers that *settings* name: URLs, and groups of ``X_HOST``, ``X_PORT``, ``X_USER`` …

    A row has ``setting``, ``scheme``, ``host``, ``port``, ``socket`` (a path, where that is the
    way), ``user``, ``password`` (None where the settings name none), ``database``, ``sslmode``.
    """
    rows = []
    for name, value in sorted(settings.items()):
        rows.append(address_of(name, value))
    for name, value in sorted(settings.items()):
        if name.endswith("HOST") and plain(value):
            rows.append(from_group(name, name[: -len("HOST")], settings))
        elif name.endswith("_SOCKET") and value.startswith("/"):
            stem = name[: -len("UNIX_SOCKET" if name.endswith("UNIX_SOCKET") else "SOCKET")]
            if stem + "HOST" not in settings:
                rows.append(from_group(name, stem, settings))
    return [row for row in rows if row is not None][:MOST]


def plain(host):
    return re.match(r"^[A-Za-z0-9.:-]+$", host) is not None and host != "0.0.0.0"


def address_of(name, value):
    """The server in a URL, or nothing."""
    try:
        url = urllib.parse.urlsplit(value)
        scheme = scheme_of(url.scheme)
        port = url.port or PORTS.get(scheme)
    except ValueError:
        return None
    query = {key: values[-1] for key, values in urllib.parse.parse_qs(url.query).items()}
    path = next((query[key] for key in SOCKETS if key in query), "") if scheme == "mysql" else ""
    if not (url.hostname or path) or scheme not in PORTS:
        return None
    return {
        "setting": name,
        "scheme": scheme,
        "host": url.hostname or "localhost",
        "port": port,
        "socket": path,
        "user": urllib.parse.unquote(url.username or ""),
        "password": urllib.parse.unquote(url.password or ""),
        "database": urllib.parse.unquote(url.path.lstrip("/")),
        "sslmode": tls_mode(query),
    }


def scheme_of(word):
    """``mysql`` for ``mysql+pymysql``, ``MariaDB``, ``django.db.backends.mysql``."""
    word = word.lower().partition("+")[0].rpartition(".")[2]
    return NAMES.get(word, word)


def tls_mode(query):
    """PostgreSQL's word for what a URL says of TLS; drivers of MySQL have several for it."""
    for key in ("sslmode", "ssl-mode", "ssl_mode", "sslMode"):
        if key in query:
            mode = query[key].lower()
            return TLS_MODES.get(mode, mode)
    off = query.get("useSSL", "").lower() == "false" or query.get("ssl_disabled", "") in ON
    return "disable" if off else "prefer"


ON = ("1", "true", "True")


def from_group(name, stem, settings):
    """The server in ``X_HOST`` and its like, or nothing. What it speaks is said by
    ``X_CONNECTION`` or the like, by X itself (``MYSQL_HOST``), or known by its port alone."""

    def first(*endings):
        return next((settings[stem + end] for end in endings if stem + end in settings), None)

    given = settings.get(stem + "PORT", "")
    scheme = spoken(stem, first("CONNECTION", "ENGINE", "DRIVER", "DIALECT", "TYPE") or "")
    if given.isdigit():
        port = int(given)
        usual = {each: word for word, each in PORTS.items() if word not in ("http", "smtp")}
        scheme = scheme or usual.get(port, "tcp")
    elif scheme and not given:
        port = PORTS[scheme]
    else:
        return None
    path = first("SOCKET", "UNIX_SOCKET") or ""
    return {
        "setting": name,
        "scheme": scheme,
        "host": settings.get(stem + "HOST", "localhost"),
        "port": port,
        "socket": path if scheme == "mysql" and path.startswith("/") else "",
        "user": first("USER", "USERNAME") or "",
        "password": first("PASSWORD", "PASS", "PASSWD", "PWD"),
        "database": first("NAME", "DATABASE", "DB", "DBNAME") or "",
        "sslmode": "prefer",
    }


def spoken(stem, named):
    """What a group of settings says that its server speaks; "" when it does not."""
    words = (scheme_of(named), scheme_of(stem.rstrip("_").rpartition("_")[2]))
    return next((word for word in words if word in BY_NAME), "")
