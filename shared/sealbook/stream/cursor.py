"""Reading the two hot streams: submissions with acknowledgement, the log from a position on."""

import json
from collections.abc import Sequence
from uuid import uuid4

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.contract.envelope import LogEntry
from sealbook.errors import Unavailable
from sealbook.stream.delivery import delivery
from sealbook.stream.pull import PullLoop

PREFETCH_MESSAGES = 2_000
PREFETCH_BYTES = 16 * 2**20
BATCH_BYTES = 8 * 2**20
SUBMISSIONS_BATCH_BYTES = 2 * 2**20
"""Parsed, a document can take twenty times its bytes."""
API_SECONDS = 5.0


class SubmissionCursor:
    """Submissions of the work queue; each stays there until `acknowledge`."""

    def __init__(self, client: Client, durable: str) -> None:
        self._client = client
        self._durable = durable
        self._loop = PullLoop(
            client,
            subjects.SUBMIT_STREAM,
            self._name,
            prefetch_messages=PREFETCH_MESSAGES,
            prefetch_bytes=PREFETCH_BYTES,
        )

    async def batch(self, max_messages: int, *, wait_s: float) -> list[Msg]:
        return await self._loop.batch(max_messages, SUBMISSIONS_BATCH_BYTES, wait_s=wait_s)

    async def acknowledge(self, messages: Sequence[Msg]) -> None:
        """They are in the log or in the quarantine: the queue may forget them."""
        for message in messages:
            await self._client.publish(message.reply, b"+ACK")

    async def keep(self, messages: Sequence[Msg]) -> None:
        """We are still at it: the queue hands them to nobody else for another while."""
        for message in messages:
            await self._client.publish(message.reply, b"+WPI")

    async def close(self) -> None:
        await self._loop.close()

    async def _name(self) -> str:
        return self._durable


class LogCursor:
    """Entries of the log after `position`, in order, without a gap and without a repetition."""

    def __init__(self, client: Client, event_subjects: Sequence[str], position: int) -> None:
        self._client = client
        self._subjects = list(event_subjects)
        self.position = position
        self.pending: int | None = None
        """How many entries it has still to read; None before the first answer of the server."""
        self._delivered = 0
        self._loop = PullLoop(
            client,
            subjects.LOG_STREAM,
            self._make_consumer,
            prefetch_messages=PREFETCH_MESSAGES,
            prefetch_bytes=PREFETCH_BYTES,
        )

    async def batch(self, max_messages: int, *, wait_s: float) -> list[LogEntry]:
        """The next entries; an empty list when none came within `wait_s`, or when a message was
        lost on the way: it comes again."""
        messages = await self._loop.batch(max_messages, BATCH_BYTES, wait_s=wait_s)
        entries = []
        for message in messages:
            numbers = delivery(message.reply)
            if numbers.consumer_sequence != self._delivered + 1:
                # A message was lost on the way to us: read on from the last good one.
                await self._loop.restart()
                break
            self._delivered = numbers.consumer_sequence
            self.pending = numbers.pending
            self.position = numbers.stream_sequence
            headers = message.headers or {}
            entries.append(LogEntry(self.position, message.subject, headers, message.data))
        return entries

    async def close(self) -> None:
        await self._loop.close()

    async def _make_consumer(self) -> str:
        name = f"reader-{uuid4().hex}"
        config = {
            "name": name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self.position + 1,
            **self._filter(),
            "inactive_threshold": 60_000_000_000,
            "mem_storage": True,
            "num_replicas": 1,
        }
        request: dict[str, object] = {
            "stream_name": subjects.LOG_STREAM,
            "config": config,
            "action": "create",
        }
        call = f"CONSUMER.CREATE.{subjects.LOG_STREAM}.{name}"
        if len(self._subjects) == 1:
            # So that a user can be permitted these events and no others (ADR-28).
            call += f".{self._subjects[0]}"
        made = await api(self._client, call, request)
        self._delivered = 0
        self.pending = int(str(made["num_pending"]))
        return name

    def _filter(self) -> dict[str, object]:
        if len(self._subjects) == 1:
            return {"filter_subject": self._subjects[0]}
        return {"filter_subjects": self._subjects}


async def api(client: Client, call: str, request: dict[str, object]) -> dict[str, object]:
    """A call of the JetStream API. Raises Unavailable when it fails or does not answer."""
    try:
        reply = await client.request(
            f"$JS.API.{call}", json.dumps(request).encode(), timeout=API_SECONDS
        )
    except (NatsError, TimeoutError) as error:
        raise Unavailable(
            f"JetStream did not answer {call} ({type(error).__name__}).",
            remedy="Check that NATS runs and that this user may make the call.",
        ) from None
    answer: dict[str, object] = json.loads(reply.data)
    error_part = answer.get("error")
    if isinstance(error_part, dict):
        raise Unavailable(
            f"JetStream refused {call}: {error_part.get('description')}.",
            remedy="Declare the streams first: `sealbook setup`.",
        )
    return answer
