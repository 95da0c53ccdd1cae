"""Writes one export as one object: rows from a server-side cursor, bytes in parts, memory flat."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from typing import Any, BinaryIO, TypeAlias, cast
from uuid import UUID

from minio import Minio
from sqlalchemy import Connection, Row, Select, text

from sealbook.projection.published import payload_key_id
from sealbook.runtime import objects
from sealbook.runtime.objects import Bucket
from sealbook.sealing.cipher import DataKey
from services.export.columns import chosen
from services.export.formats import FORMATS
from services.export.job import Job
from services.export.life import Written
from services.export.payloads import FETCHES, with_payloads
from services.export.rows import cells, needs_keys

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 8 * 2**20
PART_BYTES = 8 * 2**20
TRANSACTION_TIMEOUT = "15min"
"""How long the server waits for us while a part goes up to a slow S3."""

KeysFor: TypeAlias = Callable[[set[UUID]], Mapping[UUID, DataKey]]
SealedOf: TypeAlias = Callable[
    [Iterable[Row[Any]], Mapping[UUID, DataKey]], Iterable[tuple[Row[Any], bytes | None]]
]


class Stopped(Exception):
    """The job was called off while its file was written."""


class ExportFile:
    """One file on its way. Blocking: runs on a thread of its own."""

    def __init__(self, job: Job, keys_for: KeysFor, stop: Callable[[], bool]) -> None:
        self._job = job
        self._keys_for = keys_for
        self._stop = stop
        self._columns = chosen(job.request.columns)
        self._format = FORMATS[job.request.format](self._columns)
        self._unseal = needs_keys(self._columns, job.request.payloads)
        self._hash = hashlib.sha256()
        self._size = 0
        self._rows = 0
        self._truncated = False

    def write(self, connection: Connection, query: Select[Any], s3: Minio, bucket: str) -> Written:
        """Upload the file under the job's object key, where it appears only when it is whole.

        Raises:
            Stopped: the job was cancelled; nothing is left of the file.
            Unavailable, Misconfigured: S3 is away, or refuses.
        """
        threads = ThreadPoolExecutor(FETCHES, "sealbook-payloads")
        get = Bucket(s3, bucket).get
        source = _Stream(
            self._chunks(
                connection, query, lambda rows, keys: with_payloads(rows, keys, get, threads)
            )
        )
        try:
            with objects.explained():
                s3.put_object(
                    bucket,
                    self._job.object_key,
                    cast("BinaryIO", source),
                    length=-1,
                    part_size=PART_BYTES,
                    num_parallel_uploads=1,
                    content_type=self._format.content_type,
                )
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        return Written(
            self._job.object_key, self._rows, self._size, self._hash.hexdigest(), self._truncated
        )

    def _chunks(
        self, connection: Connection, query: Select[Any], sealed_of: SealedOf
    ) -> Iterator[bytes]:
        yield self._counted(self._format.head())
        connection.execute(
            text(f"SET LOCAL idle_in_transaction_session_timeout = '{TRANSACTION_TIMEOUT}'")
        )
        result = connection.execution_options(stream_results=True, max_row_buffer=1).execute(query)
        wanted = 1
        while rows := result.fetchmany(wanted):
            # As many rows as fit into the bound if they are like the largest of these.
            largest = max(len(row.sealed or b"") for row in rows)
            wanted = max(1, min(ROWS_AT_ONCE, 2 * wanted, BYTES_AT_ONCE // max(1, largest)))
            for line in self._lines(rows, sealed_of):
                if self._stop():
                    raise Stopped
                yield self._counted(line)

    def _lines(self, rows: Sequence[Row[Any]], sealed_of: SealedOf) -> Iterator[bytes]:
        limit = self._job.request.limit
        room = len(rows) if limit is None else limit - self._rows
        self._truncated = self._truncated or len(rows) > room
        wanted = rows[:room]
        keys = self._keys_for({payload_key_id(row) for row in wanted}) if self._unseal else None
        sealed = sealed_of(wanted, keys) if keys is not None else zip(wanted, repeat(None))
        for row, payload in sealed:
            self._rows += 1
            yield self._format.row(cells(row, self._columns, keys, payload))

    def _counted(self, chunk: bytes) -> bytes:
        self._hash.update(chunk)
        self._size += len(chunk)
        return chunk


class _Stream(io.RawIOBase):
    """Chunks as a file to read from, holding no more than one of them."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._rest = chunk
        taken = self._rest if size < 0 else self._rest[:size]
        self._rest = self._rest[len(taken) :]
        return taken
