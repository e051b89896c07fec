"""Statements that are run very often: SQLAlchemy takes longer to run one than SQLite does."""

import sqlite3
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, bindparam, func, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import Select


class Statement:
    """A statement that is put into words once, and then run by the driver itself.

    Its parameters are the names of its bindparams. The driver knows no JSON: what a column of JSON
    holds goes in and comes out as text.
    """

    def __init__(self, said: Select[Any] | UpdateBase) -> None:
        compiled = said.compile(dialect=sqlite.dialect(paramstyle="named"))
        self._sql, self._fixed = str(compiled), dict(compiled.params)

    def run(self, here: sqlite3.Connection, **values: Any) -> sqlite3.Cursor:
        """Run it in the transaction that *here* is in."""
        return here.execute(self._sql, {**self._fixed, **values})

    def run_each(self, here: sqlite3.Connection, rows: list[dict[str, Any]]) -> None:
        """Run it with each of *rows*."""
        here.executemany(self._sql, [{**self._fixed, **row} for row in rows])


def driver(here: Connection) -> sqlite3.Connection:
    """The driver's own connection, in the transaction of *here*."""
    return cast(sqlite3.Connection, here.connection.dbapi_connection)


def one_of(column: InstrumentedAttribute[str], name: str) -> ColumnElement[bool]:
    """Whether *column* is one of the values in the parameter *name*, a list in JSON."""
    rows = func.json_each(bindparam(name)).table_valued("value")
    return column.in_(select(rows.c.value))
