"""Drafts and events of submissions, with fixed keys and the built-in rules."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sealbook.contract.documents import compact
from sealbook.contract.events import InteractionRecorded
from sealbook.sealing import binding
from sealbook.sealing.cipher import DataKey, unseal
from sealbook.sealing.payload import Payload
from services.ingest.price import PriceBook
from services.ingest.receive import Arrival, Received, receive
from services.ingest.record import Draft, Rules, draft
from services.ingest.redact import Redactor, builtin_rules

RULES = Rules(Redactor(builtin_rules()), PriceBook())
INDEX_KEY = DataKey(UUID(int=1), b"i" * 32)
DATA_KEY = DataKey(UUID(int=2), b"d" * 32)
STORED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
CANARY = "canary-7f3a"
EMAIL = "ada.lovelace@example.org"
OPENAI = {
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 40},
        "completion_tokens_details": {"reasoning_tokens": 20},
    },
}


def received(**fields: Any) -> Received:
    body = compact({"provider": "acme", "model": "m"} | fields)
    result = receive(Arrival("sealbook.submit.support", body, 7, STORED, ID))
    assert isinstance(result, Received)
    return result


def made(**fields: Any) -> Draft:
    return draft(received(**fields), INDEX_KEY, RULES)


def event(**fields: Any) -> InteractionRecorded:
    return made(**fields).event


def opened(one: InteractionRecorded) -> Payload:
    return Payload.decode(unseal(DATA_KEY, one.sealed, binding.recorded(one).encode()))
