"""What each step of ingest costs alone, on one core, without a bus: CPU microseconds each."""

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from uuid import uuid4

from sealbook.contract import subjects
from sealbook.contract.ids import new_id
from sealbook.sealing.cipher import DataKey
from services.ingest.masking import masked
from services.ingest.normalize import Exchange, Normalized, normalize
from services.ingest.price import PriceBook
from services.ingest.provider import guess_provider
from services.ingest.receive import Arrival, Received, receive
from services.ingest.record import Draft, Rules, draft, sealed
from services.ingest.redact import Redactor, builtin_rules

T = TypeVar("T")
R = TypeVar("R")


def stages_us(bodies: Sequence[bytes]) -> dict[str, float]:
    """Stage → CPU µs per submission, the better of two passes."""
    gc.set_threshold(100_000, 20, 20)  # as the services have it
    passes = [_once(bodies) for _ in range(2)]
    return {name: min(one[name] for one in passes) for name in passes[0]}


def _once(bodies: Sequence[bytes]) -> dict[str, float]:
    key = DataKey(uuid4(), b"k" * 32)
    rules = Rules(Redactor(builtin_rules()), PriceBook())
    now = datetime.now(UTC)
    arrivals = [Arrival(subjects.submit("bench"), body, 1, now, new_id()) for body in bodies]
    costs: dict[str, float] = {}
    received = _timed(costs, "parse", receive, arrivals)
    found = _timed(costs, "normalize", lambda one: normalize(_exchange(one)), received)
    redactor = rules.keyed(key).redactor
    each = list(zip(received, found, strict=True))
    _timed(costs, "redact", lambda one: _masked(*one, redactor), each)
    drafts = _timed(costs, "draft", lambda one: draft(one, key, rules), received)
    _timed(costs, "price", lambda one: _price(one, rules), drafts)
    events = _timed(costs, "seal", lambda one: sealed(one, key), drafts)
    _timed(costs, "encode", lambda event: event.model_dump_json().encode(), events)
    inside = costs["normalize"] + costs["redact"] + costs["price"]
    return costs | {"draft": max(0.0, costs["draft"] - inside)}


def _exchange(one: Received) -> Exchange:
    said = one.submission
    provider = said.provider or guess_provider(said.response)
    return Exchange(provider, said.request, said.response, said.response_stream, said.http_status)


def _masked(one: Received, found: Normalized, redactor: Redactor) -> object:
    return masked(one.submission, found, one.submission.provider or "", redactor)


def _price(one: Draft, rules: Rules) -> object:
    event = one.event
    return rules.prices.price(
        provider=event.provider, model=event.model, usage=event.usage, at=event.occurred_at
    )


def _timed(
    costs: dict[str, float], name: str, step: Callable[[T], R], inputs: Sequence[T]
) -> list[R]:
    start = time.process_time()
    results = [step(one) for one in inputs]
    costs[name] = (time.process_time() - start) / len(inputs) * 1e6
    return results
