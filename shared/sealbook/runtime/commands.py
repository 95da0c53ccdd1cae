"""Commands on the bus: who asks is in the subject, what is asked in the body, one reply each."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from faststream.nats import NatsMessage

from sealbook.contract import replies, subjects
from sealbook.contract.commands import Command
from sealbook.errors import Defect, InvalidInput, Refused, SealbookError
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import place_of

logger = logging.getLogger("sealbook.commands")

REPLIES = "_R_."
"""Where answers go: the server's crossing into the askers' account."""
WORKERS = 8
"""Commands of one verb at a time; a slow one must not hold up the others."""

C = TypeVar("C", bound=Command)
Handler = Callable[[str, C], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Verb:
    """A row of a service's table: this verb, this body, this handler."""

    name: str
    body: type[Command]
    handler: Handler[Any]
    mine: Callable[[Any], bool] = lambda body: True
    """Whether this service owns what the body names; it stays silent where another one does."""


def answer(process: Process, verbs: Sequence[Verb]) -> None:
    """Let FastStream call each verb's handler; replicas of a service share the commands."""
    for verb in verbs:
        subscriber = process.broker.subscriber(
            subjects.commands(verb.name),
            queue=process.service,
            decoder=_raw,
            no_reply=True,
            max_workers=WORKERS,
            title=verb.name,
            description=verb.body.__doc__,
        )
        subscriber(_endpoint(process, verb))


def _endpoint(process: Process, verb: Verb) -> Callable[[NatsMessage], Awaitable[None]]:
    async def reply(message: NatsMessage) -> None:
        asked = message.raw_message
        if not asked.reply.startswith(REPLIES):
            # Elsewhere the answer would speak with our rights: into the log, for example.
            process.metrics.commands.labels(verb.name, "no_inbox").inc()
            return
        try:
            body = await _carry_out(process, verb, asked.subject, asked.data)
            outcome = "ok"
        except SealbookError as error:
            body, outcome = replies.failure(error), error.code
        if body is not None:
            await asked.respond(_fitting(body, process.client.max_payload))
        process.metrics.commands.labels(verb.name, outcome).inc()

    return reply


def _fitting(body: bytes, max_bytes: int) -> bytes:
    if len(body) <= max_bytes:
        return body
    return replies.failure(
        InvalidInput(
            f"The answer has {len(body)} bytes, more than the {max_bytes} of a message.",
            remedy="Ask for less at once, or export it.",
        )
    )


async def _carry_out(process: Process, verb: Verb, subject: str, body: bytes) -> bytes | None:
    actor = subjects.actor_of(subject)
    command = verb.body.read(body)
    if not verb.mine(command):
        return None
    try:
        return replies.success(**await verb.handler(actor, command))
    except Refused as refusal:
        await process.audit_refusal(
            actor, verb.name, project=refusal.project, resource=refusal.resource
        )
        raise
    except SealbookError:
        raise
    except Exception as error:  # noqa: BLE001 a defect must not end the service, nor go unseen
        # The message of an unforeseen error may quote what it stumbled over.
        logger.error("%s failed: %s", verb.name, place_of(error))
        raise Defect(
            f"{verb.name} failed unexpectedly ({type(error).__name__}).",
            remedy=f"See the log of the {process.service} service.",
        ) from None


async def _raw(message: NatsMessage) -> bytes:
    return message.body
