"""The servers that an application's settings name. Standard library only.

Runs on the target, as a part of the agent (Python 3.6 or newer).
"""

import re
import urllib.parse

MOST = 32  # addresses of one settings file
LONGEST = 2000  # characters of one address
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
    "sqlserver": 1433,
    "oracle": 1521,
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

ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*[=:](.*)$")


def settings_of(text):
    """Names and values of ``NAME=value`` lines; quotes around a value are taken off."""
    found = {}
    for line in text.splitlines():
        match = ASSIGNED.match(line)
        if match and not line.lstrip().startswith("#"):
            value = match.group(2).strip()
            if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                value = value[1:-1]
            found[match.group(1)] = value
    return found


def addresses_in(settings):
    """The servers that *settings* name: URLs, those of JDBC with the account in other settings,
    what drivers of Go and .NET and libpq read, and groups of ``X_HOST``, ``X_PORT``, ``X_USER`` …

    A row has ``setting``, ``scheme``, ``host``, ``port``, ``socket`` (a path, where that is the
    way), ``user``, ``password`` (None where the settings name none), ``database``, ``sslmode``.
    """
    rows = []
    for name, value in sorted(settings.items()):
        rows.append(address_of(name, value, settings))
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


def address_of(name, value, settings):
    """The server that the value of a setting names, or nothing."""
    if len(value) > LONGEST:
        return None
    if value.startswith("jdbc:"):
        found = from_jdbc(name, value[len("jdbc:") :], settings)
    else:
        found = from_url(value) or from_go(value) or from_words(value)
    return None if found is None else dict(found, setting=name)


def row_of(scheme, host, port, user, password, database, socket="", sslmode="prefer"):
    return {
        "scheme": scheme,
        "host": host,
        "port": port,
        "socket": socket,
        "user": user,
        "password": password,
        "database": database,
        "sslmode": sslmode,
    }


def from_url(value):
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
    user, password, database = (
        urllib.parse.unquote(each or "")
        for each in (url.username, url.password, url.path.lstrip("/"))
    )
    host = url.hostname or "localhost"
    return row_of(scheme, host, port, user, password, database, path, tls_mode(query))


ORACLE = re.compile(r"^oracle:thin:(?:[^@]*)@(?://)?([\w.-]+):(\d{1,5})[:/]([\w.$-]+)$")


def from_jdbc(name, value, settings):
    """The server in a URL of JDBC, whose account is a part of it or stands in the settings beside
    it: ``SPRING_DATASOURCE_USERNAME`` beside ``SPRING_DATASOURCE_URL``."""
    oracle = ORACLE.match(value)
    if oracle:
        host, port, database = oracle.groups()
        found = row_of("oracle", host, int(port), "", "", database)
        query = {}
    else:
        url, _, parts = value.partition(";")
        query = dict(part.partition("=")[::2] for part in parts.split(";") if part)
        query = {key.lower(): each for key, each in query.items()}
        found = from_url(url)
        if found is None:
            return None
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)
        query.update((key.lower(), values[-1]) for key, values in asked.items())
    stem = re.sub(r"(?i)(?:jdbc[_.-]?)?ur[li]$", "", name).lower()
    beside = {key.lower(): each for key, each in settings.items()}

    def told(*words):
        given = [query.get(word) for word in words] + [beside.get(stem + word) for word in words]
        return next((each for each in given if each is not None), None)

    return dict(
        found,
        user=found["user"] or told("user", "username") or "",
        password=found["password"] or told("password"),
        database=found["database"] or query.get("databasename", ""),
    )


GO = re.compile(
    r"^(?:([^:@/()]*)(?::(.*))?@)?(tcp|unix)\(([^()]+)\)/([^?/]*)(?:\?(.*))?$", re.DOTALL
)
GO_TLS = {"false": "disable", "true": "require", "skip-verify": "require"}


def from_go(value):
    """The server in what the driver of MySQL for Go reads: ``user:word@tcp(host:port)/name``."""
    match = GO.match(value)
    if match is None:
        return None
    user, password, net, there, database, query = match.groups()
    asked = urllib.parse.parse_qs(query or "")
    mode = GO_TLS.get(asked.get("tls", [""])[-1], "prefer")
    if net == "unix":
        host, port, path = "localhost", PORTS["mysql"], there
    else:
        host, port, path = (*host_and_port(there, PORTS["mysql"]), "")
    if not plain(host):
        return None
    return row_of("mysql", host, port, user or "", password or "", database, path, mode)


def host_and_port(there, usual):
    match = re.match(r"^\[?([A-Za-z0-9.:-]*?)\]?(?:[:,](\d{1,5}))?$", there)
    if match is None:
        return "", usual
    return match.group(1) or "localhost", int(match.group(2) or usual)


WORD = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s';]*)\s*")
PARTED = re.compile(r"\s*([A-Za-z ]+?)\s*=\s*([^;]*?)\s*(?:;|$)")
KEYS = {
    "host": ("host", "server", "datasource", "hostaddr", "addr", "address"),
    "port": ("port",),
    "user": ("user", "username", "userid", "uid"),
    "password": ("password", "pwd"),
    "database": ("dbname", "database", "initialcatalog"),
    "sslmode": ("sslmode",),
}
SQL_SERVER = frozenset(
    ["initialcatalog", "trustservercertificate", "multipleactiveresultsets", "integratedsecurity"]
)


def from_words(value):
    """The server in words: ``host=db user=u dbname=shop`` of libpq, ``Host=db;Username=u`` and
    ``Server=db;Port=3306;Uid=u`` of .NET. Nothing where they do not say what it speaks."""
    given = words_of(WORD, value) or words_of(PARTED, value)
    if given is None:
        return None

    def told(what):
        return next((given[key] for key in KEYS[what] if key in given), None)

    port = told("port") or ""
    scheme = spoken_in(given, port)
    if scheme is None or not (told("user") or told("database")) or not told("host"):
        return None
    usual = int(port) if port.isdigit() else PORTS[scheme]
    host, port = host_and_port(re.sub("^tcp:", "", told("host")), usual)
    if not plain(host):
        return None
    mode = (told("sslmode") or "prefer").lower()
    user, database = told("user") or "", told("database") or ""
    mode = TLS_MODES.get(mode, mode)
    return row_of(scheme, host, port, user, told("password"), database, sslmode=mode)


def spoken_in(given, port):
    """What the server speaks that these words are for."""
    if SQL_SERVER & given.keys() or re.search(r",\d+$", given.get("server", "")):
        return "sqlserver"
    if port == "3306":
        return "mysql"
    return "postgresql" if "host" in given or port == "5432" else None


def words_of(pattern, value):
    """Keys, in lower case and without blanks, and values, if *value* is nothing but those."""
    found, at = {}, 0
    while at < len(value):
        match = pattern.match(value, at)
        if match is None or match.end() == at:
            return None
        word = match.group(2)
        if len(word) > 1 and word[0] == word[-1] == "'":
            word = re.sub(r"\\(.)", r"\1", word[1:-1])
        found[match.group(1).replace(" ", "").lower()] = word
        at = match.end()
    return found if len(found) > 1 else None


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
