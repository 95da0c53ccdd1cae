"""What a projector is: a name, the events it reads, its tables, and how a batch changes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, MetaData

from sealbook.contract.events import Event


@dataclass(frozen=True, slots=True)
class Placed:
    """An event and its place in the log."""

    position: int
    partition: int
    event: Event


class Projector(Protocol):
    """Owns the tables of one projection.

    Tables have no schema: the connection's search path points to the generation at work. `apply`
    gets events in log order, writes with set-based statements, takes time from the events and
    never from the clock, and must not depend on how events fall into batches.
    """

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised with every change of tables or fold; the next start then rebuilds."""
        ...

    @property
    def event_types(self) -> Sequence[str]:
        """What it reads; a type may end in `*` (`export.*`)."""
        ...

    @property
    def tables(self) -> MetaData: ...

    @property
    def views(self) -> Mapping[str, str]:
        """Published view → the SELECT it stands for."""
        ...

    def apply(self, batch: Sequence[Placed], connection: Connection) -> None: ...
