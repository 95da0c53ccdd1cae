"""Roles and schemas in PostgreSQL: a schema is written by the service that owns it, no other."""

from collections.abc import Mapping

from psycopg import sql
from sqlalchemy import Connection, text

from sealbook.runtime.key_store import metadata as keyring_tables

READERS = {"review": ("export",)}
"""Schema → who else may read its published views."""

KEY_ROTATOR = "ingest"
"""The one that wraps data keys anew; nobody may change a key's scope or delete one."""

KEY_MAKERS = ("ingest", "review", "export")
"""Services that seal something, and so may make data keys."""


def prepare(connection: Connection, passwords: Mapping[str, str]) -> None:
    """Make or update the roles (service → password), their schemas and grants. Repeatable."""
    for service, password in passwords.items():
        _role(connection, service, password)
    _run(connection, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    _keyring(connection)
    for service in passwords:
        _own_schema(connection, service)
    for schema, readers in READERS.items():
        for reader in readers:
            _let_read(connection, schema, reader)


def _role(connection: Connection, service: str, password: str) -> None:
    known = connection.execute(
        text("SELECT 1 FROM pg_roles WHERE rolname = :name"), {"name": service}
    ).first()
    verb = sql.SQL("ALTER" if known else "CREATE")
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(
        verb, sql.Identifier(service), sql.Literal(password)
    )
    _execute(connection, statement)
    # Projections make their schemas themselves, one for each generation.
    database = connection.engine.url.database or ""
    _execute(
        connection,
        sql.SQL("GRANT CREATE, CONNECT ON DATABASE {} TO {}").format(
            sql.Identifier(database), sql.Identifier(service)
        ),
    )


def _keyring(connection: Connection) -> None:
    _run(connection, "CREATE SCHEMA IF NOT EXISTS keyring")
    keyring_tables.create_all(connection)
    for service in KEY_MAKERS:
        _run(connection, "GRANT USAGE ON SCHEMA keyring TO {}", service)
        _run(connection, "GRANT SELECT, INSERT ON keyring.data_key TO {}", service)
    _run(connection, "GRANT UPDATE (kek_id, wrapped) ON keyring.data_key TO {}", KEY_ROTATOR)
    _run(connection, "GRANT SELECT, INSERT ON keyring.rotation TO {}", KEY_ROTATOR)
    columns = "keys, rewrapped, remaining, completed_at"
    _run(connection, f"GRANT UPDATE ({columns}) ON keyring.rotation TO {{}}", KEY_ROTATOR)


def _own_schema(connection: Connection, service: str) -> None:
    _run(connection, "CREATE SCHEMA IF NOT EXISTS {0} AUTHORIZATION {0}", service)


def _let_read(connection: Connection, schema: str, reader: str) -> None:
    _run(connection, "GRANT USAGE ON SCHEMA {0} TO {1}", schema, reader)
    _run(connection, "GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {1}", schema, reader)
    # Every rebuild makes the views anew: the grant must come with them.
    _run(
        connection,
        "ALTER DEFAULT PRIVILEGES FOR ROLE {0} IN SCHEMA {0} GRANT SELECT ON TABLES TO {1}",
        schema,
        reader,
    )


def _run(connection: Connection, template: str, *names: str) -> None:
    _execute(connection, sql.SQL(template).format(*(sql.Identifier(name) for name in names)))


def _execute(connection: Connection, statement: sql.Composed) -> None:
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 an open connection has its driver's connection
    with driver.cursor() as cursor:
        cursor.execute(statement)
