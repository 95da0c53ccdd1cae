"""The floor under ingest: reads submissions and appends the same bytes, with no work between.

Appended as the log asks for it (each entry under its own subject, with an event's headers, once
only), or `bare`: without any of these.
"""

import sys

import uvloop
from nats.aio.msg import Msg

from sealbook.contract import subjects
from sealbook.runtime.settings import Settings
from sealbook.stream import bus
from sealbook.stream.atomic import Outgoing, batches, publish_batch
from sealbook.stream.cursor import SubmissionCursor
from sealbook.stream.delivery import delivery
from sealbook.stream.topology import INGEST_CONSUMER
from services.ingest.pipeline import BATCH_MESSAGES

EVENT = "interaction.recorded"
HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "019a0a0a-0000-7abc-8def-0123456789ab",
    "ce-type": EVENT,
    "ce-source": "/sealbook/ingest",
    "ce-subject": "019a0a0a-0000-7abc-8def-0123456789ab",
    "ce-time": "2026-01-02T03:04:05.678901+00:00",
    "ce-dataversion": "1",
    "content-type": "application/json",
}


async def main(*, bare: bool) -> None:
    """Until it is stopped."""
    client = await bus.connect(Settings.load().bus, name="floor")
    cursor = SubmissionCursor(client, INGEST_CONSUMER)
    while True:
        messages = await cursor.batch(BATCH_MESSAGES, wait_s=1.0)
        for batch in batches([_appended(message, bare=bare) for message in messages]):
            await publish_batch(client, batch)
        await cursor.acknowledge(messages)


def _appended(message: Msg, *, bare: bool) -> Outgoing:
    if bare:
        return Outgoing(subjects.event(0, EVENT, "floor"), message.data)
    key = f"floor-{delivery(message.reply).stored_ns}-{delivery(message.reply).stream_sequence}"
    entry = Outgoing(subjects.event(0, EVENT, key), message.data, HEADERS)
    return entry.expecting(0, subjects.event_anywhere(EVENT, key))


if __name__ == "__main__":
    uvloop.run(main(bare="bare" in sys.argv))
