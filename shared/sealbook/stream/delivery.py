"""What the reply subject of a delivered message tells (ADR-15)."""

from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """Sequences in the stream and in the consumer, when the stream stored the message, and how
    many more the consumer has."""

    stream_sequence: int
    consumer_sequence: int
    stored_ns: int
    pending: int

    @property
    def stored_at(self) -> datetime:
        return datetime.fromtimestamp(self.stored_ns // 1000 / 1e6, UTC)


def delivery(reply: str) -> Delivery:
    """`$JS.ACK[.<domain>.<account>].<stream>.<consumer>.<deliveries>.<stream sequence>.
    <consumer sequence>.<time>.<pending>[.<token>]`; the bracketed parts came with newer servers.
    """
    tokens = reply.split(".")
    first = 5 if len(tokens) <= 9 else 7
    return Delivery(*(int(token) for token in tokens[first : first + 4]))
