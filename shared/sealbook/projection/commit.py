"""One batch, one transaction: checkpoint, rows and quarantine together or not at all.

Live runs and rebuilds go through here, with the same policy for events that cannot be applied.
"""

import logging
from collections.abc import Sequence

from sqlalchemy import Connection, insert
from sqlalchemy.exc import DBAPIError

from sealbook.contract.envelope import LogEntry
from sealbook.contract.subjects import partition_in
from sealbook.errors import InvalidInput
from sealbook.projection.generation import Generation, Superseded, live, quarantine
from sealbook.projection.projector import Placed, Projector
from sealbook.runtime.database import is_about_data

logger = logging.getLogger("sealbook.projection")


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
        positions = ", ".join(str(entry.position) for entry, _ in poison[:10])
        logger.error("%s cannot apply %d events, at %s", generation.schema, len(poison), positions)
        connection.execute(insert(quarantine), [_record(entry, why) for entry, why in poison])
    return news[-1].position


def skip_to(connection: Connection, generation: Generation, previous: int, position: int) -> None:
    """Move the checkpoint over positions that hold no event of this projection."""
    generation.enter(connection)
    generation.advance(connection, previous, position, 0)


def _decode(
    entries: Sequence[LogEntry],
) -> tuple[list[Placed], list[tuple[LogEntry, str]]]:
    readable, poison = [], []
    for entry in entries:
        try:
            readable.append(Placed(entry.position, partition_in(entry.subject), entry.event()))
        except InvalidInput as error:
            poison.append((entry, error.message))
        except ValueError:
            poison.append((entry, "Its subject has no partition."))
    return readable, poison


def _apply(
    connection: Connection,
    projector: Projector,
    batch: Sequence[Placed],
    entries: dict[int, LogEntry],
) -> list[tuple[LogEntry, str]]:
    """Apply all at once; when that fails, half by half, setting aside what cannot be applied."""
    try:
        with connection.begin_nested():
            projector.apply(batch, connection)
    except DBAPIError as error:
        if not is_about_data(error):
            raise  # the server, not an event, is the trouble: the runner tries the batch again
        reason = type(error.orig).__name__
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        reason = type(error).__name__  # its message may quote the row
    else:
        return []
    if len(batch) == 1:
        return [(entries[batch[0].position], f"{reason} while applying")]
    middle = len(batch) // 2
    halves = (batch[:middle], batch[middle:])
    return [poison for half in halves for poison in _apply(connection, projector, half, entries)]


def _record(entry: LogEntry, reason: str) -> dict[str, object]:
    return {
        "position": entry.position,
        "event_type": entry.event_type,
        "subject": entry.subject,
        "reason": reason,
    }
