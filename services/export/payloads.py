"""Rows with their sealed payloads: those that are objects of S3 are fetched ahead, several at once.

Rows keep their order, and no more bytes are held than the bound (or one payload, if it is larger).
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import Row

from sealbook.contract.events import Claim
from sealbook.projection.published import claim_of
from sealbook.sealing.cipher import DataKey

FETCHES = 8
BYTES_AHEAD = 16 * 2**20

Get: TypeAlias = Callable[[Claim, UUID], bytes]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row whose turn comes; `payload` is on its way from S3, or None if it needs nothing."""

    row: Row[Any]
    size_bytes: int = 0
    payload: Future[bytes] | None = None

    def arrived(self) -> tuple[Row[Any], bytes | None]:
        return self.row, self.row.sealed if self.payload is None else self.payload.result()


def with_payloads(
    rows: Iterable[Row[Any]], keys: Mapping[UUID, DataKey], get: Get, threads: Executor
) -> Iterator[tuple[Row[Any], bytes | None]]:
    """Every row with its sealed payload; with None where its key is destroyed and S3 was not asked.

    Raises what `get` raises, at the row that it is about.
    """
    waiting: deque[_Waiting] = deque()
    for row in rows:
        claim = claim_of(row)
        if claim is None or claim.key_id not in keys:
            waiting.append(_Waiting(row))
            continue
        while waiting and _full(waiting, claim.size_bytes):
            yield waiting.popleft().arrived()
        fetched = threads.submit(get, claim, row.id)
        waiting.append(_Waiting(row, claim.size_bytes, fetched))
    while waiting:
        yield waiting.popleft().arrived()


def _full(waiting: Iterable[_Waiting], more_bytes: int) -> bool:
    sizes = [one.size_bytes for one in waiting if one.payload is not None]
    return len(sizes) >= FETCHES or (bool(sizes) and sum(sizes) + more_bytes > BYTES_AHEAD)
