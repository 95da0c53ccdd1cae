"""Payloads of an export that are objects of S3: fetched ahead, in order, within bounds."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Row

from sealbook.contract.events import Claim
from sealbook.errors import Unavailable
from sealbook.sealing.cipher import DataKey
from services.export.payloads import BYTES_AHEAD, FETCHES, with_payloads

KEY = DataKey(UUID(int=1), b"k" * 32)
KEYS = {KEY.id: KEY}


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(FETCHES) as made:
        yield made


class Objects:
    """Serves every claim with its own key; writes down how much was under way at most."""

    def __init__(self, takes_s: float = 0.0) -> None:
        self._takes_s = takes_s
        self._lock = threading.Lock()
        self._now: list[int] = []
        self.most = self.most_bytes = self.asked = 0

    def get(self, claim: Claim, interaction_id: UUID) -> bytes:
        with self._lock:
            self.asked += 1
            self._now.append(claim.size_bytes)
            self.most = max(self.most, len(self._now))
            self.most_bytes = max(self.most_bytes, sum(self._now))
        time.sleep(self._takes_s)
        with self._lock:
            self._now.remove(claim.size_bytes)
        return claim.object_key.encode()


def row(number: int, size_bytes: int | None = None, key_id: UUID = KEY.id) -> Row[Any]:
    """A row with its payload inline, or as an object of this size."""
    claims = dict.fromkeys(("object_key", "size_bytes", "sha256", "key_id"))
    if size_bytes is not None:
        claims = {
            "object_key": f"o{number}",
            "size_bytes": size_bytes,
            "sha256": "",
            "key_id": key_id,
        }
    fields = {f"claim_{name}": value for name, value in claims.items()}
    sealed = f"s{number}".encode() if size_bytes is None else None
    return cast("Row[Any]", SimpleNamespace(id=UUID(int=number), sealed=sealed, **fields))


def test_rows_keep_their_order_whatever_comes_from_where(threads: ThreadPoolExecutor) -> None:
    rows = [row(n, 10 if n % 3 else None) for n in range(100)]
    found = list(with_payloads(rows, KEYS, Objects().get, threads))
    assert [one.id.int for one, _ in found] == list(range(100))
    assert [sealed for _, sealed in found] == [
        f"{'o' if n % 3 else 's'}{n}".encode() for n in range(100)
    ]


def test_several_are_fetched_at_once_and_no_more_than_may_be(threads: ThreadPoolExecutor) -> None:
    objects = Objects(takes_s=0.01)
    assert (
        len(list(with_payloads([row(n, 10) for n in range(60)], KEYS, objects.get, threads))) == 60
    )
    assert 1 < objects.most <= FETCHES


def test_no_more_bytes_are_under_way_than_the_bound_or_one_payload(
    threads: ThreadPoolExecutor,
) -> None:
    for size in (BYTES_AHEAD // 3, BYTES_AHEAD + 1):
        objects = Objects(takes_s=0.005)
        list(with_payloads([row(n, size) for n in range(20)], KEYS, objects.get, threads))
        assert objects.most_bytes <= max(BYTES_AHEAD, size)
        assert objects.most == (3 if size < BYTES_AHEAD else 1)


def test_nothing_is_fetched_further_ahead_than_rows_are_taken(threads: ThreadPoolExecutor) -> None:
    objects = Objects()
    found = with_payloads((row(n, 10) for n in range(1000)), KEYS, objects.get, threads)
    for _ in range(5):
        next(found)
    threads.submit(lambda: None).result()
    assert objects.asked <= FETCHES + 5


def test_an_erased_payload_is_not_fetched(threads: ThreadPoolExecutor) -> None:
    objects = Objects()
    rows = [row(1, 10, key_id=UUID(int=9)), row(2, 10)]
    found = list(with_payloads(rows, KEYS, objects.get, threads))
    assert [sealed for _, sealed in found] == [None, b"o2"]
    assert objects.asked == 1


def test_what_cannot_be_fetched_is_told_at_its_row(threads: ThreadPoolExecutor) -> None:
    def get(claim: Claim, interaction_id: UUID) -> bytes:
        if interaction_id.int == 2:
            raise Unavailable("away")
        return b""

    found = with_payloads([row(n, 10) for n in range(5)], KEYS, get, threads)
    assert [next(found)[0].id.int for _ in range(2)] == [0, 1]
    with pytest.raises(Unavailable):
        next(found)
