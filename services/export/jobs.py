"""Export jobs from JetStream through FastStream: one at a time, acknowledged when done."""

import asyncio
import logging

from faststream import AckPolicy
from faststream.nats import JStream, NatsMessage, PullSub

from sealbook.contract import subjects
from sealbook.errors import SealbookError
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import place_of
from sealbook.stream.delivery import delivery
from sealbook.stream.topology import ACK_WAIT_SECONDS, EXPORT_CONSUMER
from services.export.worker import Message, Worker

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
            sequence = delivery(raw.reply).stream_sequence
            await worker.handle(Message(actor, raw.data, sequence))
        except SealbookError as error:
            logger.warning("an export job waits: %s", error)
            await message.nack(delay=RETRY_SECONDS)
        except Exception as error:  # noqa: BLE001 a defect must neither lose the job nor go unseen
            logger.error("an export job failed: %s", place_of(error))
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
        await message.in_progress()


async def _raw(message: NatsMessage) -> bytes:
    return message.body
