"""Publishing to a stream, alone or as an atomic batch (ADR-50: all messages or none)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from nats.aio.client import Client
from nats.errors import Error as NatsError

from sealbook.errors import InvalidInput, SealbookError, Unavailable

MAX_BATCH_MESSAGES = 500
MAX_BATCH_BYTES = 4 * 2**20
PUBLISH_SECONDS = 10.0
HEADER_SPARE_BYTES = 256
"""The protocol's own line, the commit header."""

EXPECTED_SEQUENCE = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"

_WRONG_SEQUENCE = {10071, 10164}
_DUPLICATE_ID = 10201


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way into a stream."""

    subject: str
    body: bytes = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)

    def expecting(self, sequence: int, subject: str) -> "Outgoing":
        """The same, stored only if `sequence` is the last one on `subject` (0: none yet)."""
        expectation = {EXPECTED_SEQUENCE: str(sequence), EXPECTED_SUBJECT: subject}
        return Outgoing(self.subject, self.body, self.headers | expectation)


class WrongSequence(SealbookError):
    """The subject's last sequence is not the expected one; nothing of the batch was stored."""

    code = "conflict"


class DuplicateInBatch(SealbookError):
    """A message id of the batch is stored already; nothing of the batch was stored."""

    code = "duplicate"


async def publish(client: Client, message: Outgoing) -> int:
    """The stream sequence under which the message is stored now (or was before).

    Raises:
        WrongSequence: an expectation does not hold.
        Unavailable: no answer; whether it is stored is unknown, so try again with the same id.
    """
    _check_size(client, message, message.headers)
    return _sequence(await _request(client, message, message.headers))


async def publish_batch(client: Client, messages: Sequence[Outgoing]) -> int:
    """The sequence of the last message; the others stand directly before it.

    Raises:
        WrongSequence, DuplicateInBatch: nothing was stored.
        InvalidInput: a message is over the server's limit; nothing was sent.
        Unavailable: no answer; whether the batch is stored is unknown.
    """
    if len(messages) == 1:
        return await publish(client, messages[0])
    for message in messages:
        _check_size(client, message, _batch_headers(message, "0" * 32, len(messages)))
    batch_id = uuid4().hex
    *firsts, last = messages
    for number, message in enumerate(firsts, start=1):
        headers = _batch_headers(message, batch_id, number)
        if number > 1:
            await _send(client, message, headers)
        elif reply := await _request(client, message, headers):
            _sequence(reply)  # the server answers the first message only to refuse it
    headers = _batch_headers(last, batch_id, len(messages)) | {"Nats-Batch-Commit": "1"}
    return _sequence(await _request(client, last, headers))


def batches(messages: Sequence[Outgoing]) -> list[Sequence[Outgoing]]:
    """The messages in order, cut so that each batch stays within the server's and our bounds."""
    cut: list[Sequence[Outgoing]] = []
    start = size = 0
    for index, message in enumerate(messages):
        full = index - start >= MAX_BATCH_MESSAGES or size + len(message.body) > MAX_BATCH_BYTES
        if full and index > start:
            cut.append(messages[start:index])
            start, size = index, 0
        size += len(message.body)
    if start < len(messages):
        cut.append(messages[start:])
    return cut


def _batch_headers(message: Outgoing, batch_id: str, number: int) -> dict[str, str]:
    return {
        **message.headers,
        "Nats-Batch-Id": batch_id,
        "Nats-Batch-Sequence": str(number),
    }


async def _send(client: Client, message: Outgoing, headers: dict[str, str]) -> None:
    try:
        await client.publish(message.subject, message.body, headers=headers)
    except NatsError as error:
        raise _unacknowledged(message, error) from None


async def _request(client: Client, message: Outgoing, headers: dict[str, str]) -> bytes:
    try:
        reply = await client.request(
            message.subject, message.body, timeout=PUBLISH_SECONDS, headers=headers or None
        )
    except (NatsError, TimeoutError) as error:
        raise _unacknowledged(message, error) from None
    return bytes(reply.data)


def _check_size(client: Client, message: Outgoing, headers: dict[str, str]) -> None:
    # The server counts the headers too, and ends the connection for good over the limit.
    around = sum(len(name) + len(value) + 4 for name, value in headers.items())
    size = len(message.body) + around + HEADER_SPARE_BYTES
    if size > client.max_payload:
        raise InvalidInput(
            f"A message of {size} bytes is over the server's limit of {client.max_payload}.",
            remedy="Send a smaller one, or raise `max_payload` of the NATS server.",
        )


def _unacknowledged(message: Outgoing, error: Exception) -> Unavailable:
    return Unavailable(
        f"The stream did not acknowledge a message on {message.subject.split('.')[1]!r} within "
        f"{PUBLISH_SECONDS:.0f} s ({type(error).__name__}).",
        remedy="Try again with the same id; check that NATS runs and permits this subject.",
    )


def _sequence(reply: bytes) -> int:
    answer: dict[str, Any] = json.loads(reply)
    error = answer.get("error")
    if error is None:
        return int(answer["seq"])
    code, text = error.get("err_code"), error.get("description", "")
    if code in _WRONG_SEQUENCE:
        raise WrongSequence(f"The log refused an append: {text}.")
    if code == _DUPLICATE_ID:
        raise DuplicateInBatch(f"The stream refused a batch: {text}.")
    raise Unavailable(
        f"The stream refused a message: {text} (error {code}).",
        remedy="See `sealbook status`; a full disk or a full stream refuses everything.",
    )
