"""The servers that settings name, however they name them."""

import pytest

from autoloop.agent.addresses import addresses_in, settings_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("DATABASE_URL=postgres://u:p@db:6543/shop", ("postgresql", "db", 6543, "u", "shop")),
        ("D='postgresql+psycopg2://u@db/shop'", ("postgresql", "db", 5432, "u", "shop")),
        ("export CACHE=redis://:s@127.0.0.1:6379/0", ("redis", "127.0.0.1", 6379, "", "0")),
        ("B=amqp://[::1]/", ("amqp", "::1", 5672, "", "")),
        ("API: https://api.example.com/v1", ("https", "api.example.com", 443, "", "v1")),
    ],
)
def test_a_url_names_a_server(line: str, expected: tuple[object, ...]) -> None:
    """Whatever driver it is for."""
    (row,) = addresses_in(settings_of(line))
    assert tuple(row[k] for k in ("scheme", "host", "port", "user", "database")) == expected


def test_host_and_port_name_a_server() -> None:
    """As many frameworks have them."""
    text = "DB_HOST=10.0.0.5\nDB_PORT=3306\nDB_USER=shop\nDB_PASSWORD=x\nDB_NAME=orders\n"
    (row,) = addresses_in(settings_of(text))
    assert (row["scheme"], row["setting"], row["user"]) == ("mysql", "DB_HOST", "shop")


@pytest.mark.parametrize(
    "line",
    [
        "D=sqlite:////srv/x.db",
        "# D=redis://a",
        "BIND_HOST=0.0.0.0\nBIND_PORT=80",
        "U=http://[broken",
        "P=redis://h:99999999",
        "X=https://",
        "A_HOST=a b;c\nA_PORT=5432",
    ],
)
def test_what_names_no_server(line: str) -> None:
    """Files, comments, addresses to listen on, nonsense."""
    assert addresses_in(settings_of(line)) == []


LARAVEL = (
    "DB_CONNECTION=mysql\nDB_HOST=db\nDB_PORT=3307\nDB_DATABASE=shop\nDB_USERNAME=u\nDB_PASSWORD="
)
DJANGO = "DB_ENGINE=django.db.backends.mysql\nDB_HOST=db\nDB_NAME=shop\nDB_USER=u\nDB_PASSWORD=p"
LIBPQ = "PGHOST=db\nPGUSER=u\nPGPASSWORD=p\nPGDATABASE=shop"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LARAVEL, ("mysql", "db", 3307, "", "u", "", "shop")),
        (DJANGO, ("mysql", "db", 3306, "", "u", "p", "shop")),
        (LIBPQ, ("postgresql", "db", 5432, "", "u", "p", "shop")),
        ("MYSQL_HOST=db", ("mysql", "db", 3306, "", "", None, "")),
        ("DB_TYPE=mysql\nDB_HOST=db\nDB_PWD=p", ("mysql", "db", 3306, "", "", "p", "")),
        ("MARIADB_HOST=db\nMARIADB_PORT=6033", ("mysql", "db", 6033, "", "", None, "")),
        ("SHOP_MYSQL_HOST=db\nSHOP_MYSQL_USER=u", ("mysql", "db", 3306, "", "u", None, "")),
        ("X_HOST=db\nX_PORT=7000\nX_PASS=p", ("tcp", "db", 7000, "", "", "p", "")),
        ("DB_CONNECTION=mysql\nDB_HOST=db\nDB_SOCKET=/run/s",
         ("mysql", "db", 3306, "/run/s", "", None, "")),
        ("MYSQL_UNIX_SOCKET=/run/s\nMYSQL_USER=u",
         ("mysql", "localhost", 3306, "/run/s", "u", None, "")),
        ("D=mysql+pymysql://u:p@/shop?unix_socket=/run/s",
         ("mysql", "localhost", 3306, "/run/s", "u", "p", "shop")),
        ("D=mariadb://u@db/shop", ("mysql", "db", 3306, "", "u", "", "shop")),
        ("D=mysql2://u:p%40@db:3307/shop", ("mysql", "db", 3307, "", "u", "p@", "shop")),
    ],
)  # fmt: skip
def test_what_it_speaks_and_the_way_there(text: str, expected: tuple[object, ...]) -> None:
    """Said by a setting, by the name of the group, by the port alone; a password that is not among
    the settings is not an empty one."""
    (row,) = addresses_in(settings_of(text))
    keys = ("scheme", "host", "port", "socket", "user", "password", "database")
    assert tuple(row[k] for k in keys) == expected


@pytest.mark.parametrize(
    ("query", "mode"),
    [
        ("", "prefer"),
        ("?sslmode=verify-full", "verify-full"),
        ("?ssl-mode=DISABLED", "disable"),
        ("?sslMode=REQUIRED", "required"),
        ("?useSSL=false", "disable"),
        ("?ssl_disabled=True", "disable"),
        ("?ssl_mode=PREFERRED", "prefer"),
    ],
)
def test_what_a_url_says_of_tls(query: str, mode: str) -> None:
    """In the words of several drivers."""
    (row,) = addresses_in({"D": f"mysql://u@db/shop{query}"})
    assert row["sslmode"].startswith(mode.removesuffix("d"))


@pytest.mark.parametrize(
    "text", ["SERVER_HOST=db", "MYSQL_HOST=db\nMYSQL_PORT=no", "DB_HOST=0.0.0.0", "A_SOCKET=/x"]
)
def test_a_group_that_names_no_server(text: str) -> None:
    """What it speaks, or where, is not known."""
    assert addresses_in(settings_of(text)) == []


SPRING = (
    "SPRING_DATASOURCE_URL=jdbc:postgresql://db:5433/shop?sslmode=require\n"
    "SPRING_DATASOURCE_USERNAME=u\nSPRING_DATASOURCE_PASSWORD=p"
)
PROPERTIES = (
    "spring.datasource.url=jdbc:mysql://db/shop?useSSL=false&serverTimezone=UTC\n"
    "spring.datasource.username=u"
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SPRING, ("postgresql", "db", 5433, "", "u", "p", "shop", "require")),
        (PROPERTIES, ("mysql", "db", 3306, "", "u", None, "shop", "disable")),
        ("D=jdbc:mariadb://db:3307/shop?user=u&password=p",
         ("mysql", "db", 3307, "", "u", "p", "shop", "prefer")),
        ("D=jdbc:sqlserver://db:1433;databaseName=shop;user=u;password=p",
         ("sqlserver", "db", 1433, "", "u", "p", "shop", "prefer")),
        ("D=jdbc:oracle:thin:@//db:1521/ORCL",
         ("oracle", "db", 1521, "", "", None, "ORCL", "prefer")),
        ("D=u:p@ss:w/rd@tcp(db:3307)/shop?parseTime=true&tls=skip-verify",
         ("mysql", "db", 3307, "", "u", "p@ss:w/rd", "shop", "require")),
        ("D=u@unix(/run/s)/shop",
         ("mysql", "localhost", 3306, "/run/s", "u", "", "shop", "prefer")),
        ("D=u:p@tcp([::1]:3306)/", ("mysql", "::1", 3306, "", "u", "p", "", "prefer")),
        ("D=host=db port=6432 user=u password='p q' dbname=shop sslmode=disable",
         ("postgresql", "db", 6432, "", "u", "p q", "shop", "disable")),
        ("ConnectionStrings__Shop=Host=db;Port=5432;Database=shop;Username=u;Password=p",
         ("postgresql", "db", 5432, "", "u", "p", "shop", "prefer")),
        ("D=Server=db;Port=3306;Database=shop;Uid=u;Pwd=p;SslMode=Required",
         ("mysql", "db", 3306, "", "u", "p", "shop", "require")),
        ("D=Server=tcp:db,1434;Initial Catalog=shop;User ID=u;Password=p",
         ("sqlserver", "db", 1434, "", "u", "p", "shop", "prefer")),
    ],
)  # fmt: skip
def test_what_drivers_of_other_languages_read(text: str, expected: tuple[object, ...]) -> None:
    """Java, Go, libpq, .NET; the account of Java often stands beside."""
    (row,) = addresses_in(settings_of(text))
    keys = ("scheme", "host", "port", "socket", "user", "password", "database", "sslmode")
    assert tuple(row[k] for k in keys) == expected


@pytest.mark.parametrize(
    "line",
    [
        "D=jdbc:h2:mem:shop",
        "D=jdbc:sqlite:/srv/x.db",
        "D=jdbc:postgresql://a:5432,b:5432/shop",
        "D=user at tcp(db)",
        "D=Server=db;Database=shop;User Id=u",
        "D=host=db mode=fast",
        "ARGS=--host=db --user=u",
        "D=" + "a=" * 5000,
        "D=a" + " " * 200_000 + "x",
    ],
)
def test_what_only_looks_like_a_server(line: str) -> None:
    """Files, several hosts of which any may serve, words that do not say what is spoken."""
    assert addresses_in(settings_of(line)) == []
