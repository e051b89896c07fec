"""The PostgreSQL cluster of a host as facts: tables with their rows, roles, databases.

The cluster is asked from within the host, as its own superuser, by a process that belongs to
nothing on the host; its files are not compared, as those of any running database change by
themselves.
"""

import hashlib
import hmac
import json
import re
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoloop.arena.hosts import Host
from autoloop.arena.recipe import POSTGRES_PASSWORD

UNIT = "postgresql@15-main.service"
DATA = "/var/lib/postgresql/15/main"
CHANGED_BY_HAND = f"{DATA}/postgresql.auto.conf"
SCRAM = re.compile(r"SCRAM-SHA-256\$(\d+):([\w+/=]+)\$([\w+/=]+):[\w+/=]+")

ASK = """
cd /
setpriv --reuid=postgres --regid=postgres --init-groups \
    psql --no-psqlrc --quiet --tuples-only --no-align --set=ON_ERROR_STOP=1 --dbname=lingzhi <<'END'
{query}
END
"""
# Each query gives one JSON array of [subject, value] a line.
SCHEMA = """
select coalesce(json_agg(json_build_array(c.relname, concat_ws(' ',
    c.relkind, n.nspname, pg_get_userbyid(c.relowner), c.relacl,
    (select string_agg(concat_ws(' ', attname, format_type(atttypid, atttypmod), attnotnull,
        pg_get_expr(adbin, adrelid)), ',' order by attnum)
     from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum
     where attrelid = c.oid and attnum > 0 and not attisdropped),
    (select string_agg(pg_get_constraintdef(k.oid), ',' order by k.conname)
     from pg_constraint k where k.conrelid = c.oid),
    case when c.relkind = 'i' then pg_get_indexdef(c.oid) end,
    (select string_agg(pg_get_triggerdef(t.oid), ',' order by t.tgname)
     from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal)))), '[]')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
"""
ROWS = r"""
select coalesce(json_agg(json_build_array(tablename, (xpath('/row/c/text()', query_to_xml(format(
    'select count(*) || '' rows '' || md5(coalesce(string_agg(t::text, chr(10) order by t::text),'''
    ''')) as c from %I.%I t', schemaname, tablename), false, true, '')))[1]::text)), '[]')
from pg_tables where schemaname not in ('pg_catalog', 'information_schema')
"""
ROLES = """
select json_agg(json_build_array(rolname, concat_ws(' ', rolsuper, rolinherit, rolcreaterole,
    rolcreatedb, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit, rolvaliduntil,
    (select string_agg(pg_get_userbyid(roleid), ',' order by roleid)
     from pg_auth_members where member = pg_authid.oid),
    (select string_agg(setconfig::text, ',') from pg_db_role_setting
     where setrole = pg_authid.oid)),
    rolpassword))
from pg_authid where rolname !~ '^pg_'
"""
DATABASES = """
select json_agg(json_build_array(datname,
    concat_ws(' ', pg_get_userbyid(datdba), datallowconn, datconnlimit, datacl)))
from pg_database
"""


def has_cluster(host: Host) -> bool:
    """Whether the host is made to run PostgreSQL."""
    return any((layer / "etc/postgresql").is_dir() for layer in host.layers)


def compared_otherwise(path: str) -> bool:
    """Whether a path is one of the cluster's own files, but for those that people change."""
    return path.startswith(f"{DATA}/") and path != CHANGED_BY_HAND


def cluster(host: Host) -> dict[tuple[str, str], str]:
    """Facts of the cluster; that it does not answer is one as well."""
    parts: list[list[list[Any]]] = []
    for query in (SCHEMA, ROWS, ROLES, DATABASES):
        done = host.inside(ASK.format(query=query))
        if not done.ok:
            return {("schema", "(cluster)"): "does not answer"}
        parts.append(json.loads(done.stdout))
    schema, rows, roles, databases = parts
    return {
        ("schema", "(cluster)"): "answers",
        **{("schema", name): _digest(value) for name, value in schema},
        **{("rows", name): value for name, value in rows},
        **{
            ("user", f"database role {name}"): f"{value} {password_words(verifier)}"
            for name, value, verifier in roles
        },
        **{("setting", f"database {name}"): value for name, value in databases},
    }


def password_words(verifier: str | None, password: str = POSTGRES_PASSWORD) -> str:
    """What a role's verifier says; the same for two that take the password of the image.

    PostgreSQL salts each one anew, so that the same password gives another verifier.
    """
    if verifier is None:
        return "no password"
    scram = SCRAM.fullmatch(verifier)
    if scram and _takes(password, scram.groups()):
        return "the password of the image"
    return _digest(verifier)


def _takes(password: str, scram: Sequence[str]) -> bool:
    rounds, salt, stored = scram
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(key).digest(), b64decode(stored))


def _digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def probes() -> str:
    """What the scripts of a fault may ask on such hosts, besides and instead of the rest."""
    return (Path(__file__).parent / "probes-postgres.sh").read_text(encoding="utf-8")
