"""Export jobs from JetStream through FastStream: one at a time, acknowledged when done."""

import asyncio
import contextlib
import logging

from faststream import AckPolicy
from faststream.nats import JStream, NatsMessage, PullSub
from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.errors import SealbookError
from sealbook.runtime.process import Process
from sealbook.stream.delivery import delivery
from sealbook.stream.topology import ACK_WAIT_SECONDS, EXPORT_CONSUMER
from services.export.worker import JOB_HEADER, Message, Worker

logger = logging.getLogger("sealbook.export")

RETRY_SECONDS = 5


def listen(process: Process, worker: Worker) -> None:
    """Hand every job message to the worker; replicas share them."""
    subscriber = process.broker.subscriber(
        subjects.ALL_EXPORT_JOBS,
        stream=JStream(subjects.JOB_STREAM, declare=False),
        durable=EXPORT_CONSUMER,
        pull_sub=PullSub(batch_size=1),
        inbox_prefix=f"{process.settings.bus.inbox_prefix}.".encode(),
        ack_policy=AckPolicy.MANUAL,
        decoder=_raw,
        title="export",
        description="An ExportRequest; the answer is a file, and `export.completed` in the log.",
    )

    async def job(message: NatsMessage) -> None:
        raw = message.raw_message
        keep = asyncio.create_task(_keep_ours(message))
        try:
            actor = subjects.actor_of(raw.subject)
            sent = delivery(raw.reply)
            job_id = (raw.headers or {}).get(JOB_HEADER)
            await worker.handle(
                Message(actor, raw.data, sent.stream_sequence, sent.stored_at, job_id)
            )
        except (SealbookError, NatsError) as error:
            logger.warning("an export job waits: %s", error)
            await message.nack(delay=RETRY_SECONDS)
        else:
            await message.ack()
        finally:
            keep.cancel()

    subscriber(job)


async def _keep_ours(message: NatsMessage) -> None:
    """Tell the stream that we are at it, so that it gives the job to nobody else meanwhile."""
    while True:
        await asyncio.sleep(ACK_WAIT_SECONDS / 3)
        with contextlib.suppress(NatsError):  # reconnecting: the next time will do
            await message.in_progress()


async def _raw(message: NatsMessage) -> bytes:
    return message.body
