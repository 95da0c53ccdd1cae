"""Arithmetic of disjoint usage buckets."""

from services.ingest.normalize.reading import MAX_COUNT


def take(total: int | None, part: int | None) -> tuple[int | None, int | None]:
    """What remains of `total` without `part`, and `part`, never more than `total`.

    A provider that reports a part greater than its whole is wrong about the part: the total is
    what it bills. An unknown total leaves the part as it is.
    """
    if total is None or part is None:
        return total, part
    part = min(part, total)
    return total - part, part


def plus(*counts: int | None) -> int | None:
    """The sum of what is known, or None when nothing is, or when the sum is absurd."""
    known = [count for count in counts if count is not None]
    total = sum(known)
    return total if known and total <= MAX_COUNT else None
