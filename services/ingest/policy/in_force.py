"""The rules every submission goes by now: made of the newest policies, following the log."""

import asyncio
import logging
from collections.abc import Sequence

from nats.errors import Error as NatsError

from sealbook.contract import subjects
from sealbook.contract.documents import JsonValue
from sealbook.contract.events import PolicyChanged
from sealbook.errors import Unavailable
from sealbook.runtime.process import Process
from sealbook.sealing.keyring import Keyring
from sealbook.stream.cursor import LogCursor
from services.ingest.detection import ChildDetector, start_detectors
from services.ingest.policy.log import PolicyLog, superseded
from services.ingest.policy.policy import NAMES, Name, Policy, policy
from services.ingest.price import PriceBook
from services.ingest.price.rules import price_rules
from services.ingest.record import Rules
from services.ingest.redact import Redactor
from services.ingest.redact.policy import redaction_policy

logger = logging.getLogger("sealbook.ingest")

WAIT_SECONDS = 1.0
RETRY_SECONDS = 1.0
FOLLOW_SECONDS = 10.0


class Policies:
    """Both policies in force and the rules made of them. `load` comes before anything else."""

    def __init__(self, process: Process, keyring: Keyring) -> None:
        self._process = process
        self._log = PolicyLog(process, keyring)
        self._policies: dict[Name, Policy] = {}
        self._detectors: Sequence[ChildDetector] = ()
        self._rules = Rules(Redactor(()), PriceBook())
        self._loaded_at = 0
        self._changed = asyncio.Condition()

    def rules(self) -> Rules:
        """What a submission that is processed now goes by."""
        return self._rules

    def in_force(self, name: Name) -> Policy:
        return self._policies[name]

    async def load(self) -> None:
        """Put the newest policies in force.

        Raises:
            SealbookError: one of them cannot be used here. Nothing may be recorded then: by
                another one, what it is to hide would get through.
        """
        self._loaded_at = await self._process.log.newest()
        for name in NAMES:
            await self._apply(await self._log.newest(name))

    async def follow(self) -> None:
        """Put every further policy in force, until cancelled. Raises as `load` does: then the
        process ends, and does not start again before it can use the policy."""
        kinds = [subjects.events(PolicyChanged.type)]
        cursor = LogCursor(self._process.client, kinds, self._loaded_at)
        while True:
            try:
                for entry in await cursor.batch(100, wait_s=WAIT_SECONDS):
                    await self._apply(await self._log.opened(entry))
            except (Unavailable, NatsError) as error:
                logger.warning("policies are not followed for now: %s", error)
                await asyncio.sleep(RETRY_SECONDS)
                cursor = LogCursor(self._process.client, kinds, self._position())

    async def put(
        self, actor: str, name: Name, document: JsonValue, expected_version: str | None
    ) -> Policy:
        """Replace a policy; returns when this process goes by the new one, others do so at once.

        Raises:
            InvalidInput: it cannot be used; the policy in force stays.
            Conflict: another version than the expected one is in force.
        """
        wanted = await self.checked(name, document)
        current = await self._log.newest(name)
        if expected_version not in (None, current.version):
            raise superseded(name)
        if wanted.version == current.version:
            return current
        put = await self._log.append(actor, wanted, instead_of=current)
        async with self._changed, asyncio.timeout(FOLLOW_SECONDS):
            await self._changed.wait_for(lambda: self._policies[name].position >= put.position)
        return put

    async def checked(self, name: Name, document: JsonValue) -> Policy:
        """The policy of a document that could be put in force here. Raises InvalidInput."""
        wanted = await asyncio.to_thread(policy, name, document)
        if name == "redaction":
            for detector in (await asyncio.to_thread(_redactor, document))[1]:
                detector.close()
        return wanted

    async def _apply(self, newest: Policy) -> None:
        if newest.name == "pricing":
            prices = PriceBook(price_rules(newest.document))
            self._rules = Rules(self._rules.redactor, prices)
        else:
            redactor, detectors = await asyncio.to_thread(_redactor, newest.document)
            former, self._detectors = self._detectors, detectors
            self._rules = Rules(redactor, self._rules.prices)
            for detector in former:
                detector.close()
        async with self._changed:
            self._policies[newest.name] = newest
            self._changed.notify_all()
        logger.info("%s policy %s is in force", newest.name, newest.version)

    def _position(self) -> int:
        return max(self._loaded_at, *(one.position for one in self._policies.values()))


def _redactor(document: JsonValue) -> tuple[Redactor, Sequence[ChildDetector]]:
    """Compiling many rules and starting detectors takes its time: not on the event loop."""
    wanted = redaction_policy(document)
    detectors = start_detectors(wanted.detectors)
    return Redactor(wanted.rules, detectors), detectors
