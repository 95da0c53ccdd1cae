"""What a ciphertext is bound to, so that it cannot be moved to another place."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sealbook.contract.events import InteractionRecorded, InteractionReviewed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


PAYLOAD_VERSION = 1
"""Of what is sealed, not of the event around it: upcasting an event must not break its seal."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The additional authenticated data of a sealed payload."""

    project: str
    event_id: str
    event_type: str
    version: int
    time: datetime
    user_hash: str | None = None
    policy_version: str = ""

    def encode(self) -> bytes:
        """Each part length-prefixed: no two different bindings have the same bytes."""
        parts = (
            self.project,
            self.event_id,
            self.event_type,
            str(self.version),
            # Not through timestamp(): a float takes neighbouring microseconds for one.
            str((self.time - _EPOCH) // _MICROSECOND),
            self.user_hash or "",
            self.policy_version,
        )
        return b"".join(len(data).to_bytes(4, "big") + data for data in map(str.encode, parts))


def payload(
    *, project: str, event_id: UUID, time: datetime, user_hash: str | None, policy_version: str
) -> Binding:
    """The binding of a recorded interaction's payload, from its event or its row."""
    return Binding(
        project=project,
        event_id=str(event_id),
        event_type=InteractionRecorded.type,
        version=PAYLOAD_VERSION,
        time=time,
        user_hash=user_hash,
        policy_version=policy_version,
    )


def comment(*, project: str, event_id: UUID, time: datetime) -> Binding:
    """The binding of a review's comment, from its event or its row."""
    return Binding(
        project=project,
        event_id=str(event_id),
        event_type=InteractionReviewed.type,
        version=PAYLOAD_VERSION,
        time=time,
    )


def recorded(event: InteractionRecorded) -> Binding:
    """`payload` for an event."""
    return payload(
        project=event.project,
        event_id=event.id,
        time=event.occurred_at,
        user_hash=event.user_hash,
        policy_version=event.policy_version,
    )


def reviewed(event: InteractionReviewed) -> Binding:
    """`comment` for an event."""
    return comment(project=event.project, event_id=event.id, time=event.reviewed_at)
