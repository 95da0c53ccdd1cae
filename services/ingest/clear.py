"""Fields that stay in clear: redacted, cut to length, free of what PostgreSQL refuses. Pure."""

from collections.abc import Iterable

from sealbook.contract.submission import MAX_LABEL_CHARS
from services.ingest.redact import Redactor


class ClearFields:
    """Cleans the clear fields of one submission, and keeps count of what it changed."""

    def __init__(self, redactor: Redactor, hits: dict[str, int]) -> None:
        self._redactor = redactor
        self._hits = hits
        self.flags: set[str] = set()

    def field(self, value: str) -> str:
        """The value as it may stand in the log, in PostgreSQL and in metrics."""
        masked = self._redactor.field(value, self._hits)
        if len(masked) > MAX_LABEL_CHARS:
            self.flags.add("label_cut")
            masked = masked[:MAX_LABEL_CHARS]
        if "\0" in masked:
            self.flags.add("nul_replaced")
            masked = masked.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return masked

    def optional(self, value: str | None) -> str | None:
        return None if value is None else self.field(value)

    def each(self, values: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.field(value) for value in values)
