"""CloudEvents 1.0 in NATS headers (binary mode of its NATS protocol binding), JSON in the body."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sealbook.contract.events import Event
from sealbook.contract.upcasting import read_event
from sealbook.errors import InvalidInput

Headers = dict[str, str]

MAX_VERSION_DIGITS = 9


def headers_for(
    event: Event, *, event_id: str, source: str, subject: str, time: datetime
) -> Headers:
    """The CloudEvents attributes of an event; `source` reads `/sealbook/<service>`."""
    return {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": event.type,
        "ce-source": source,
        "ce-subject": subject,
        "ce-time": time.isoformat(),
        "ce-dataversion": str(event.version),
        "content-type": "application/json",
    }


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An event as the log holds it; `position` is its stream sequence."""

    position: int
    subject: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def event_type(self) -> str:
        return self.headers.get("ce-type", "")

    def event(self) -> Event:
        """The event in its newest shape. Raises InvalidInput when it cannot be read."""
        version = self.headers.get("ce-dataversion", "")
        if not version.isascii() or not version.isdigit() or len(version) > MAX_VERSION_DIGITS:
            raise InvalidInput(
                f"The entry at position {self.position} has no `ce-dataversion` header.",
                remedy="Only Sealbook's services append to the log.",
            )
        return read_event(self.event_type, int(version), self.body)
