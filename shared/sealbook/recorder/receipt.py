"""The answer to a recorded interaction, and the reasons why it may not be "the bus has it"."""

from dataclasses import dataclass
from uuid import UUID

from sealbook.errors import SealbookError, Unavailable


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one interaction.

    `ok`: the bus has it, durably. Otherwise `error` says why, in a sentence, and `pending` whether
    it is still queued in this process and will be sent; `retryable` that recording it again, with
    the same id, can help. `interaction_id` is None when it did not enter the queue.
    """

    ok: bool
    interaction_id: UUID | None
    error: str | None = None
    pending: bool = False
    retryable: bool = False


class StillQueued(Unavailable):
    """The bus did not take the submission within the recorder's `max_wait_s`."""

    code = "still_queued"

    def __init__(self, waited_s: float, trouble: str | None) -> None:
        because = f" ({trouble.rstrip('.')})" if trouble else ""
        super().__init__(
            f"The bus did not take the submission within {waited_s:g} s{because}.",
            remedy="It is still queued and will be sent while the recorder is open.",
        )


class QueueFull(Unavailable):
    """The submission does not fit into the queue; it is not recorded."""

    code = "queue_full"

    def __init__(self, size: int, held: str) -> None:
        super().__init__(
            f"The recorder's queue has no room for a submission of {size} bytes: it holds {held}.",
            remedy="It was not recorded. Raise `queue_limit` or `queue_bytes`, or record less.",
        )


class NotOpen(SealbookError):
    """The recorder was not opened yet, was closed, or belongs to another process."""

    code = "not_open"

    def __init__(self) -> None:
        super().__init__(
            "The recorder is not open in this process.",
            remedy="Use it inside `with`; after a fork open a new one.",
        )


class NotSent(Unavailable):
    """The recorder was closed before the bus had taken all of its queue."""

    code = "not_sent"

    def __init__(self, count: int, trouble: str | None) -> None:
        because = f" ({trouble.rstrip('.')})" if trouble else ""
        super().__init__(
            f"The recorder was closed with {count} submissions not sent{because}.",
            remedy="Record them again with the same ids, or raise `close_wait_s`.",
        )


def receipt(interaction_id: UUID | None, error: SealbookError | None) -> Receipt:
    """The receipt of an interaction that met `error`, or none."""
    if error is None:
        return Receipt(True, interaction_id)
    pending = isinstance(error, StillQueued)
    return Receipt(False, interaction_id, str(error), pending, error.retryable)
