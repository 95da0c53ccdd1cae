"""PostgreSQL 18 in one private folder: made by initdb, loopback only, no statement in its log."""

import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from sealbook.embedded.accounts import postgres_account
from sealbook.embedded.binaries import postgres_program
from sealbook.embedded.child import run_to_end
from sealbook.embedded.endpoints import PostgresEndpoint
from sealbook.embedded.logbook import Logbook
from sealbook.embedded.ports import LOOPBACK
from sealbook.embedded.postgres_lock import clear_stale_lock
from sealbook.embedded.private_files import write_private
from sealbook.embedded.process import Process, plain_environment
from sealbook.errors import Misconfigured, Unavailable

NAME = "postgres"
PORTS = ("postgres",)
USER = DATABASE = "sealbook"
MAJOR = "18"

CONFIGURATION = """\
# Written by sealbook at each start; changes made here are lost (ALTER SYSTEM is kept).
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
password_encryption = 'scram-sha-256'
max_connections = 60
shared_buffers = '128MB'
max_wal_size = '1GB'
fsync = on
full_page_writes = on
synchronous_commit = on
datestyle = 'iso, mdy'
timezone = 'UTC'
log_timezone = 'UTC'
log_destination = 'stderr'
log_line_prefix = ''
log_checkpoints = off
# Nothing of a statement, its parameters or its errors may reach the log. `log` is a level above
# `error`: what went wrong in a statement is told to the client only, since the message may quote
# a value.
log_min_messages = 'log'
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_statement = 'none'
log_min_duration_statement = -1
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """One server with its data in `folder`; `password_file` holds the superuser's password."""

    folder: Path
    port: int
    password_file: Path

    @property
    def endpoint(self) -> PostgresEndpoint:
        password = self.password_file.read_text(encoding="utf-8").strip()
        return PostgresEndpoint(LOOPBACK, self.port, USER, password, DATABASE)

    async def prepare(self, log: Logbook) -> Process:
        """Make the data folder if there is none, configure it, and say how to run it."""
        if not self.folder.exists():
            await self._initdb(log)
        version = (self.folder / "PG_VERSION").read_text().strip()
        if version != MAJOR:
            raise Misconfigured(
                f"{self.folder} was made by PostgreSQL {version}; this is {MAJOR}.",
                remedy="Use the version of sealbook that made it, or rebuild in a new folder.",
            )
        account = postgres_account(self.folder)
        configuration = self.folder / "postgresql.conf"
        write_private(configuration, CONFIGURATION.format(host=LOOPBACK, port=self.port))
        if account is not None:
            os.chown(configuration, account.uid, account.gid, follow_symlinks=False)
        return Process(
            name=NAME,
            argv=(str(postgres_program("postgres")), "-D", str(self.folder)),
            env=plain_environment(self.folder),
            cwd=self.folder,
            account=account,
            before=self._clear_lock,
            ready=self._ready,
            # Fast shutdown: sessions are ended, everything is written. When the supervisor dies
            # without a word, an immediate one, in which the server ends its own processes.
            stop_signal=signal.SIGINT,
            death_signal=signal.SIGQUIT,
        )

    async def create_database(self) -> None:
        """Make the database if it does not exist."""
        async with await self._connect() as connection:
            found = await connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
            )
            if await found.fetchone() is None:
                name = sql.Identifier(DATABASE)
                await connection.execute(sql.SQL("CREATE DATABASE {}").format(name))

    async def _initdb(self, log: Logbook) -> None:
        # Made aside and moved into place, so that an interrupted initdb leaves no half a cluster.
        draft = self.folder.with_name(f"{self.folder.name}.new")
        if draft.exists():
            shutil.rmtree(draft)
        draft.mkdir(mode=0o700)
        account = postgres_account(draft)
        if account is not None:
            os.chown(draft, account.uid, account.gid)
        initdb = Process(
            name="initdb",
            argv=(
                *(str(postgres_program("initdb")), "-D", str(draft), f"--username={USER}"),
                *(f"--pwfile={self.password_file}", "--auth=scram-sha-256", "--encoding=UTF8"),
                *("--locale-provider=builtin", "--locale=C.UTF-8"),
            ),
            env=plain_environment(draft),
            cwd=draft,
            account=account,
            start_timeout=120.0,
        )
        await run_to_end(initdb, log)
        draft.rename(self.folder)

    async def _clear_lock(self) -> None:
        await clear_stale_lock(self.folder)

    async def _ready(self) -> None:
        async with await self._connect():
            return

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        at = self.endpoint
        try:
            return await psycopg.AsyncConnection.connect(
                host=at.host,
                port=at.port,
                user=at.user,
                password=at.password,
                dbname="postgres",
                autocommit=True,
                connect_timeout=3,
                sslmode="disable",
                gssencmode="disable",
            )
        except psycopg.OperationalError as error:
            raise Unavailable(f"PostgreSQL does not answer on port {at.port}: {error}") from error
