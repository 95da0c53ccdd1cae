"""The verbs of the policies: list, put, import of gitleaks rules, and a test of a text."""

import asyncio
from dataclasses import dataclass
from typing import Any

from sealbook.contract.commands import ImportRules, ListPolicies, PutPolicy, TestRules
from sealbook.contract.documents import JsonValue
from sealbook.runtime.commands import Verb
from sealbook.runtime.process import Process
from services.ingest.policy.in_force import Policies
from services.ingest.policy.policy import NAMES, Policy
from services.ingest.price import PriceBook
from services.ingest.price.rules import price_rules
from services.ingest.redact import Redactor
from services.ingest.redact.gitleaks import gitleaks_rules
from services.ingest.redact.policy import redaction_policy

# What a test shows as a pseudonym is none of any project.
_TEST_KEY = b"sealbook.policy.test"


@dataclass(frozen=True, slots=True)
class PolicyCommands:
    """`policy.list`, `policy.put`, `policy.import`, `policy.test`, for administrators of all."""

    process: Process
    policies: Policies

    def verbs(self) -> list[Verb]:
        return [
            Verb("policy.list", ListPolicies, self.list),
            Verb("policy.put", PutPolicy, self.put),
            Verb("policy.import", ImportRules, self.import_rules),
            Verb("policy.test", TestRules, self.test),
        ]

    async def list(self, actor: str, _: ListPolicies) -> dict[str, Any]:
        self.process.policy.authorize(actor, "policy.list", None)
        policies = [self.policies.in_force(name) for name in NAMES]
        return {"policies": [await asyncio.to_thread(_told, one) for one in policies]}

    async def put(self, actor: str, wanted: PutPolicy) -> dict[str, Any]:
        self.process.policy.authorize(actor, "policy.put", None)
        if wanted.dry_run:
            return _summary(await self.policies.checked(wanted.name, wanted.document))
        put = await self.policies.put(actor, wanted.name, wanted.document, wanted.expected_version)
        return _summary(put)

    async def import_rules(self, actor: str, wanted: ImportRules) -> dict[str, Any]:
        self.process.policy.authorize(actor, "policy.put", None)
        current = self.policies.in_force("redaction")
        imported, refused = await asyncio.to_thread(gitleaks_rules, wanted.gitleaks)
        document = _with_rules(current.document, imported)
        if wanted.dry_run:
            put = await self.policies.checked("redaction", document)
        else:
            put = await self.policies.put(actor, "redaction", document, current.version)
        return _summary(put) | {
            "imported": [rule["name"] for rule in imported],
            "refused": [{"name": one.name, "reason": one.reason} for one in refused],
        }

    async def test(self, actor: str, wanted: TestRules) -> dict[str, Any]:
        self.process.policy.authorize(actor, "policy.list", None)
        left_out: tuple[str, ...] = ()
        redactor = self.policies.rules().redactor
        if wanted.document is not None:
            redactor, left_out = await asyncio.to_thread(_without_detectors, wanted.document)
        return await asyncio.to_thread(_tested, redactor, wanted.text) | {
            "detectors_left_out": [*left_out]
        }


def _without_detectors(document: JsonValue) -> tuple[Redactor, tuple[str, ...]]:
    """The rules of a document, and its detectors: they are started once it is in force."""
    policy = redaction_policy(document)
    return Redactor(policy.rules), policy.detectors


def _tested(redactor: Redactor, text: str) -> dict[str, Any]:
    masked, _ = redactor.text(text, None, _TEST_KEY)
    return {
        "version": redactor.version,
        "masked": masked,
        "findings": [
            {"rule": one.rule, "start": one.start, "end": one.end, "by": one.replacement}
            for one in redactor.explain(text, _TEST_KEY)
        ],
    }


def _told(policy: Policy) -> dict[str, Any]:
    if policy.name == "redaction":
        listing = redaction_policy(policy.document).listing()
    else:
        listing = PriceBook(price_rules(policy.document)).listing()
    return _summary(policy) | {"document": policy.document, "rules": listing}


def _summary(policy: Policy) -> dict[str, Any]:
    at = policy.changed_at
    return {
        "name": policy.name,
        "version": policy.version,
        "position": policy.position,
        "actor": policy.actor,
        "changed_at": at.isoformat() if at else None,
    }


def _with_rules(document: JsonValue, added: list[dict[str, Any]]) -> dict[str, JsonValue]:
    """The document with further rules; one of the same name is replaced where it stands."""
    policy = document if isinstance(document, dict) else {}
    former = policy.get("rules")
    rules = {
        str(rule["name"]): rule
        for rule in [*(former if isinstance(former, list) else ()), *added]
        if isinstance(rule, dict)
    }
    return policy | {"rules": [*rules.values()]}
