"""One batch, one transaction: checkpoint, rows and quarantine together or not at all.

Live runs and rebuilds go through here, with the same policy for events that cannot be applied.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, insert
from sqlalchemy.exc import DBAPIError, OperationalError

from sealbook.contract.envelope import LogEntry
from sealbook.contract.subjects import partition_in
from sealbook.errors import InvalidInput
from sealbook.projection.generation import Generation, Superseded, live, quarantine
from sealbook.projection.projector import Placed, Projector


def commit_live(
    connection: Connection,
    projector: Projector,
    generation: Generation,
    previous: int,
    entries: Sequence[LogEntry],
) -> int:
    """Apply a batch to the live generation; returns the new position.

    Raises:
        Superseded: a rebuild swapped another generation in, or another runner was faster.
    """
    if live(connection, projector.name, lock="FOR SHARE") != generation:
        raise Superseded(f"{generation.schema} is no longer the live generation.")
    return commit_batch(connection, projector, generation, previous, entries)


def commit_batch(
    connection: Connection,
    projector: Projector,
    generation: Generation,
    previous: int,
    entries: Sequence[LogEntry],
) -> int:
    """Apply the entries after `previous`; returns the new position."""
    news = [entry for entry in entries if entry.position > previous]
    if not news:
        return previous
    generation.enter(connection)
    generation.advance(connection, previous, news[-1].position, len(news))
    readable, poison = _decode(news)
    poison += _apply(connection, projector, readable, {entry.position: entry for entry in news})
    if poison:
        connection.execute(insert(quarantine), [_record(entry, why) for entry, why in poison])
    return news[-1].position


def _decode(
    entries: Sequence[LogEntry],
) -> tuple[list[Placed], list[tuple[LogEntry, str]]]:
    readable, poison = [], []
    for entry in entries:
        try:
            readable.append(Placed(entry.position, partition_in(entry.subject), entry.event()))
        except InvalidInput as error:
            poison.append((entry, error.message))
    return readable, poison


def _apply(
    connection: Connection,
    projector: Projector,
    batch: Sequence[Placed],
    entries: dict[int, LogEntry],
) -> list[tuple[LogEntry, str]]:
    """Apply all at once; when that fails, one by one, setting aside those that cannot be."""
    try:
        with connection.begin_nested():
            projector.apply(batch, connection)
    except OperationalError:
        raise  # the server, not an event, is the trouble: the runner tries the batch again
    except (DBAPIError, ValueError, ArithmeticError, LookupError, TypeError) as error:
        if len(batch) == 1:
            # The message may quote the row; its class does not.
            return [(entries[batch[0].position], f"{type(error).__name__} while applying")]
        return [
            poison
            for placed in batch
            for poison in _apply(connection, projector, [placed], entries)
        ]
    return []


def _record(entry: LogEntry, reason: str) -> dict[str, object]:
    return {
        "position": entry.position,
        "event_type": entry.event_type,
        "subject": entry.subject,
        "reason": reason,
    }
