"""Appending events to the log: each once, in atomic batches."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nats.aio.client import Client
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import Event
from sealbook.errors import Unavailable
from sealbook.stream import topology
from sealbook.stream.atomic import Outgoing, WrongSequence, batches, publish, publish_batch

READ_SECONDS = 5.0
_NO_MESSAGE = "404"


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event, where it belongs, and what CloudEvents wants to know of it."""

    event: Event
    partition: int
    event_id: str
    time: datetime


class LogWriter:
    """Appends as one service; `service` becomes the events' `ce-source`."""

    def __init__(self, client: Client, service: str) -> None:
        self._client = client
        self._source = f"/sealbook/{service}"

    async def append_once(self, events: Sequence[NewEvent]) -> list[NewEvent]:
        """Append every event whose subject's key has none of its type yet, in any partition.

        Returns those that were there before. Checking the subject in the log, not a window of
        message ids, makes this hold without a horizon.

        Raises:
            Unavailable: the outcome is unknown; appending the same events again is safe.
        """
        existing: list[NewEvent] = []
        messages = [self._once(new) for new in events]
        by_message = {id(message): new for message, new in zip(messages, events, strict=True)}
        for batch in batches(messages):
            try:
                await publish_batch(self._client, batch)
            except WrongSequence:
                existing += [by_message[id(message)] for message in await self._one_by_one(batch)]
        return existing

    async def append(self, new: NewEvent, *, expected: tuple[int, str] | None = None) -> int:
        """Append one event; with `expected` only if (sequence, subject) still holds.

        Returns its position. Raises WrongSequence or Unavailable.
        """
        message = self._message(new)
        if expected is not None:
            message = message.expecting(*expected)
        return await publish(self._client, message)

    async def last(self, subject: str) -> LogEntry | None:
        """The newest entry on a subject (which may have wildcards); None when there is none."""
        return await self._get({"last_by_subj": subject})

    async def _get(self, request: dict[str, str]) -> LogEntry | None:
        try:
            reply = await self._client.request(
                f"$JS.API.DIRECT.GET.{subjects.LOG_STREAM}",
                json.dumps(request).encode(),
                timeout=READ_SECONDS,
            )
        except (NatsError, TimeoutError) as error:
            raise Unavailable(
                f"The log did not answer a read within {READ_SECONDS:.0f} s "
                f"({type(error).__name__})."
            ) from None
        headers = reply.headers or {}
        if "Nats-Sequence" not in headers:
            if (status := headers.get("Status", _NO_MESSAGE)) != _NO_MESSAGE:
                # What is taken for missing may be deleted elsewhere: only this says that it is.
                raise Unavailable(f"The log refused a read (status {status}).")
            return None
        return LogEntry(int(headers["Nats-Sequence"]), headers["Nats-Subject"], headers, reply.data)

    async def newest(self) -> int:
        """The position of the newest entry; 0 when the log is empty."""
        return await topology.last_position(self._client)

    async def made_at(self) -> datetime:
        """When the log was made."""
        return await topology.made_at(self._client)

    async def position_at(self, moment: datetime) -> int:
        """The position of the last entry before `moment`: the same whenever it is asked."""
        newest = await self.newest()
        start = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        later = await self._get({"start_time": start, "next_by_subj": subjects.ALL_EVENTS})
        return later.position - 1 if later else newest

    async def _one_by_one(self, batch: Sequence[Outgoing]) -> list[Outgoing]:
        existing = []
        for message in batch:
            try:
                await publish(self._client, message)
            except WrongSequence:
                existing.append(message)
        return existing

    def _once(self, new: NewEvent) -> Outgoing:
        anywhere = subjects.event_anywhere(new.event.type, new.event.key)
        return self._message(new).expecting(0, anywhere)

    def _message(self, new: NewEvent) -> Outgoing:
        event = new.event
        headers = headers_for(
            event, event_id=new.event_id, source=self._source, subject=event.key, time=new.time
        )
        subject = subjects.event(new.partition, event.type, event.key)
        return Outgoing(subject, event.model_dump_json().encode(), headers)
