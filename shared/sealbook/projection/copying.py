"""Writing many rows at once: PostgreSQL's COPY in its binary format."""

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql
from psycopg.types.json import JsonbBinaryDumper
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError


def copy_rows(
    connection: Connection,
    table: str,
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[object]],
) -> None:
    """COPY rows into a table of the search path; `columns` are (name, PostgreSQL type).

    Raises DBAPIError, as every statement does: the driver's own error would pass by those who tell
    a row that does not fit from a server that is away.
    """
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(table), names
    )
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 an open connection has its driver's connection
    driver.adapters.register_dumper(dict, JsonbBinaryDumper)
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types([kind for _, kind in columns])
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        base = psycopg.Error
        raise DBAPIError.instance(None, None, error, base, hide_parameters=True) from None
