"""What one scan goes by and what it counts: the key for pseudonyms, the hits by rule."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from services.ingest.redact.survey import Suspects
from services.ingest.redact.tags import ERROR_HIT, ERROR_TAG

Hits = dict[str, int]


@dataclass(frozen=True, slots=True)
class Scan:
    """Lives as long as one document is looked at; `hits` grows."""

    key: bytes | None = field(default=None, repr=False)
    hits: Hits = field(default_factory=dict)
    suspects: Suspects | None = field(default=None, repr=False)
    """Where a look is worth it; None means everywhere."""

    def within(self, suspects: Suspects | None) -> "Scan":
        """The same for another document or for a part of this one."""
        return replace(self, suspects=suspects)

    def count(self, names: Iterable[str]) -> None:
        """One hit for each name."""
        for name in names:
            self.hits[name] = self.hits.get(name, 0) + 1

    def failed(self) -> str:
        """The fail-closed answer, counted."""
        self.count((ERROR_HIT,))
        return ERROR_TAG
