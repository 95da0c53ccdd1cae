"""A received submission as the event to append: normalize, redact, price. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sealbook.contract.events import Cost, InteractionRecorded, ToolCall
from sealbook.contract.submission import Submission
from sealbook.contract.usage import Usage
from sealbook.errors import InvalidInput
from sealbook.sealing import binding, blind_index, cipher
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.payload import Payload
from sealbook.sealing.scope import Scope
from services.ingest.clear import ClearFields
from services.ingest.masking import masked
from services.ingest.normalize import Exchange, Normalized, normalize
from services.ingest.price import PriceBook
from services.ingest.provider import guess_provider
from services.ingest.receive import Received
from services.ingest.redact import Redactor

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Rules:
    """What ingest goes by; read once, the same for every path."""

    redactor: Redactor
    prices: PriceBook

    def keyed(self, index_key: DataKey) -> "Rules":
        """The same for one project, whose pseudonyms are its own."""
        key = blind_index.pseudonym_key(index_key)
        return Rules(self.redactor.keyed(key), self.prices)


@dataclass(frozen=True, slots=True)
class Draft:
    """An event that lacks only its seal, and what is to be sealed under which key."""

    event: InteractionRecorded
    payload: Payload
    scope: Scope

    @property
    def partition_key(self) -> str:
        """Events about one data subject stay in order: subject, else session, else itself."""
        return self.event.user_hash or self.event.session_id or str(self.event.id)


def draft(received: Received, index_key: DataKey, rules: Rules) -> Draft:
    """The event for a submission, by the rules of its project.

    Raises:
        InvalidInput: neither the submission nor its payloads tell the provider or the model.
    """
    said = received.submission
    provider = said.provider or guess_provider(said.response)
    found = normalize(
        Exchange(provider, said.request, said.response, said.response_stream, said.http_status)
    )
    provider = provider or guess_provider(found.response)
    usage = _usage(said, found.usage)
    model = said.model or found.model_asked or found.model_answered
    if not provider or not model:
        raise InvalidInput(
            f"The submission does not tell its {'model' if provider else 'provider'}.",
            remedy="Send `provider` and `model`, or payloads that contain them.",
        )
    occurred_at, claimed_at = _times(received)
    contents = masked(said, found, provider, rules.redactor)
    clear = ClearFields(rules.redactor, contents.hits)
    # What was derived stands in the payload too, and was counted there.
    derived = ClearFields(rules.redactor, {})
    cost = _cost(said, found, (provider, model), usage, occurred_at, rules.prices)
    user_hash = blind_index.user_hash(index_key, said.user) if said.user else None
    event = InteractionRecorded.model_construct(
        id=received.id,
        project=received.project,
        provider=clear.field(provider),
        model=(clear if said.model else derived).field(model),
        model_answered=derived.optional(found.model_answered),
        kind=found.kind,
        status=said.status or found.status,
        http_status=said.http_status,
        error_class=clear.optional(said.error_class) or derived.optional(found.error_class),
        finish_reason=derived.optional(found.finish_reason),
        stop_cause=derived.optional(found.stop_cause),
        usage=usage,
        cost=cost,
        latency_ms=_first(said.latency_ms, found.latency_ms),
        time_to_first_token_ms=_first(said.time_to_first_token_ms, found.time_to_first_token_ms),
        tags=clear.each(said.tags),
        tools=tuple(
            ToolCall(name=derived.field(tool.name), ok=tool.ok, earlier=tool.earlier)
            for tool in found.tools
        ),
        user_hash=user_hash,
        session_id=clear.optional(said.session_id),
        parent_id=said.parent_id,
        agent=clear.optional(said.agent),
        occurred_at=occurred_at,
        claimed_at=claimed_at,
        flags=tuple(
            sorted(clear.flags | derived.flags | ({"clock_skew"} if claimed_at else set()))
        ),
        redactions=contents.hits,
        policy_version=rules.redactor.version,
        fingerprint=received.fingerprint(index_key),
        sealed=b"",
    )
    # Who it was stays readable for those who may open the seal: erasure and review need it.
    payload = Payload.of(contents.request, contents.response, contents.rest | {"user": said.user})
    return Draft(event, payload, _scope(event))


def sealed(made: Draft, key: DataKey, *, compress: bool = True) -> InteractionRecorded:
    """The event with its payload under the seal."""
    aad = binding.recorded(made.event).encode()
    payload = cipher.seal(key, made.payload.encode(), aad, compress=compress)
    return made.event.model_copy(update={"sealed": payload})


def _times(received: Received) -> tuple[datetime, datetime | None]:
    """(when it counts, when it was claimed to be if that cannot be believed)."""
    claimed, stored = received.submission.occurred_at, received.arrival.stored_at
    if claimed is None:
        return stored, None
    if abs(claimed - stored) > CLOCK_SKEW:
        return stored, claimed
    return claimed, None


def _cost(
    said: Submission,
    found: Normalized,
    asked: tuple[str, str],
    usage: Usage,
    at: datetime,
    prices: PriceBook,
) -> Cost | None:
    provider, model = asked
    cost = prices.price(
        provider=provider,
        model=model,
        answered=found.model_answered,
        tier=found.service_tier,
        usage=usage,
        cache_write_1h=found.cache_write_1h,
        at=at,
        explicit=said.cost,
        currency=said.currency,
        reported=found.cost,
    )
    if cost is None:
        return None
    return Cost(total=cost.total, currency=cost.currency, source=cost.source)


def _first(said: float | None, found: float | None) -> float | None:
    return found if said is None else said


def _usage(said: Submission, derived: Usage) -> Usage:
    """What the submission says wins; its totals replace a split that does not add up to them."""
    if said.usage is not None:
        return said.usage.buckets()
    usage = derived
    if said.input_tokens is not None and said.input_tokens != usage.input_total:
        usage = Usage(
            input=said.input_tokens,
            output=usage.output,
            reasoning=usage.reasoning,
            audio_output=usage.audio_output,
        )
    if said.output_tokens is not None and said.output_tokens != usage.output_total:
        usage = Usage(
            input=usage.input,
            cache_read=usage.cache_read,
            cache_write=usage.cache_write,
            audio_input=usage.audio_input,
            output=said.output_tokens,
        )
    return usage


def _scope(event: InteractionRecorded) -> Scope:
    if event.user_hash:
        return Scope(event.project, "subject", event.user_hash)
    return Scope(event.project, "day", event.occurred_at.date().isoformat())
