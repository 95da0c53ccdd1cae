"""Events as the log would hold them, made without a log: the same seed makes the same entries."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from sealbook.contract import subjects
from sealbook.contract.envelope import LogEntry, headers_for
from sealbook.contract.events import (
    AccessRefused,
    Cost,
    Event,
    InteractionOpened,
    InteractionRecorded,
    InteractionReviewed,
)
from sealbook.contract.ids import derived_id
from sealbook.contract.usage import Usage

START = datetime(2026, 11, 1, 22, tzinfo=UTC)


def recorded(number: int, chance: random.Random, project: str = "support") -> InteractionRecorded:
    at = START + timedelta(minutes=number)
    return InteractionRecorded(
        id=derived_id(int(at.timestamp() * 1000), project, number),
        project=project,
        provider=chance.choice(["openai", "anthropic"]),
        model=chance.choice(["small", "large"]),
        kind="chat",
        status=chance.choice(["success", "success", "error"]),
        usage=Usage(input=chance.randrange(1000), output=chance.randrange(1000)),
        cost=chance.choice(
            [
                None,
                Cost(total=Decimal(chance.randrange(10**9)).scaleb(-9), currency="USD", source=""),
            ]
        ),
        latency_ms=chance.choice([None, chance.random() * 1000]),
        tags=("a", "b"),
        occurred_at=at,
        policy_version="1",
        fingerprint=f"{number:032x}",
        sealed=chance.randbytes(100),
    )


def reviewed(about: UUID, version: int, chance: random.Random, at: datetime) -> InteractionReviewed:
    return InteractionReviewed(
        id=derived_id(version, str(about)),
        interaction_id=about,
        project="support",
        actor="ann",
        state=chance.choice(["approved", "flagged", "rejected"]),
        previous_state="unreviewed",
        review_version=version,
        reviewed_at=at,
    )


def entry(position: int, event: Event) -> LogEntry:
    """The event at a position of the log."""
    headers = headers_for(
        event, event_id=f"e{position}", source="/test", subject=event.key, time=START
    )
    subject = subjects.event(position % 8, event.type, event.key)
    return LogEntry(position, subject, headers, event.model_dump_json().encode())


def poison(position: int) -> LogEntry:
    """An entry that nobody can read."""
    subject = subjects.event(0, "interaction.recorded", f"poison-{position}")
    return LogEntry(position, subject, {"ce-type": "interaction.recorded"}, b"{")


def history(seed: int, interactions: int = 40) -> list[LogEntry]:
    """Recorded, reviewed several times, opened and refused, with poison and gaps between."""
    chance = random.Random(seed)  # noqa: S311 a reproducible mixture, not a secret
    entries: list[LogEntry] = []
    versions: dict[UUID, int] = {}
    position = 0
    for number in range(interactions):
        made: list[Event] = [recorded(number, chance)]
        versions[made[0].id] = 0  # type: ignore[attr-defined]
        for _ in range(chance.randrange(4)):
            about = chance.choice(list(versions))
            versions[about] += 1
            made.append(reviewed(about, versions[about], chance, START))
        if chance.random() < 0.2:
            made.append(_opened(chance.choice(list(versions)), number))
            made.append(_refused(number))
        for event in made:
            position += chance.randrange(1, 4)
            entries.append(entry(position, event))
        if chance.random() < 0.1:
            position += 1
            entries.append(poison(position))
    return entries


def in_batches(entries: Sequence[LogEntry], seed: int) -> list[Sequence[LogEntry]]:
    """The entries in order, cut at random places."""
    chance = random.Random(seed)  # noqa: S311 as above
    cuts = sorted(chance.sample(range(1, len(entries)), k=min(10, len(entries) - 1)))
    return [entries[a:b] for a, b in zip([0, *cuts], [*cuts, len(entries)], strict=True)]


def _opened(about: UUID, number: int) -> InteractionOpened:
    return InteractionOpened(
        id=derived_id(number, "opened"),
        interaction_id=about,
        project="support",
        actor="bob",
        opened_at=START,
    )


def _refused(number: int) -> AccessRefused:
    return AccessRefused(
        id=derived_id(number, "refused"), actor="eve", action="review", refused_at=START
    )
