"""What will be sealed of a submission: masked, and each hit of a rule counted once. Pure."""

from dataclasses import dataclass
from typing import Any

from sealbook.contract import documents
from sealbook.contract.documents import JsonValue
from sealbook.contract.submission import Submission
from services.ingest.normalize import Exchange, Normalized, normalize
from services.ingest.redact import Redactor, scan_answer

Hits = dict[str, int]


@dataclass(frozen=True, slots=True)
class Masked:
    """The parts of a payload, and how often each rule hit in all of them."""

    request: JsonValue
    response: JsonValue
    rest: dict[str, Any]
    hits: Hits


def masked(said: Submission, found: Normalized, provider: str, redactor: Redactor) -> Masked:
    """Masks the documents first and derives the texts from what is left of them.

    A text is a document's leaves put together, so what was masked there needs no second count, and
    what only JSON inside a string gave away is not there to be missed. The text is still scanned:
    side by side, two leaves may say what neither did.
    """
    request = redactor.scan(said.request)
    response = scan_answer(redactor, found.response)
    metadata = redactor.scan(said.metadata)
    left = found
    if request.hits or response.hits:
        left = normalize(
            Exchange(provider, request.document, response.document, http_status=said.http_status)
        )
    asked = _Side(redactor, request.hits, said.request)
    answered = _Side(redactor, response.hits, said.response_stream or found.response)
    rest = {
        "request_text": asked.text(said.request_text, left.request_text, found.request_text),
        "response_text": answered.text(said.response_text, left.response_text, found.response_text),
        "error_message": answered.text(said.error_message, left.error_message, found.error_message),
        "metadata": metadata.document,
    }
    hits = asked.hits()
    _add(hits, answered.hits())
    _add(hits, metadata.hits)
    return Masked(request.document, response.document, rest, hits)


class _Side:
    """The texts beside a document. One that repeats what the document says adds no hit to it."""

    def __init__(self, redactor: Redactor, document_hits: Hits, source: JsonValue) -> None:
        self._redactor = redactor
        self._source = source
        self._document = document_hits
        self._repeated: Hits = {}
        self._new: Hits = {}

    def text(self, said: str | None, left: str | None, found: str | None) -> str | None:
        """The explicit text, else the one derived from the masked document; scanned.

        A plug-in that reads the raw stream derives nothing from a masked document: then what it
        derived before is taken, and judged as if all of its source stood near.
        """
        if said is not None:
            return self._scanned(said, self._repeated)
        if left is not None:
            return self._scanned(left, self._new)
        if found is None:
            return None
        source = self._source
        above = source if isinstance(source, str) else documents.compact(source).decode()
        return self._scanned(found, self._repeated, above)

    def _scanned(self, text: str, hits: Hits, above: str = "") -> str:
        scanned = self._redactor.scan(text, above=above)
        _add(hits, scanned.hits)
        return str(scanned.document)

    def hits(self) -> Hits:
        total = dict(self._document)
        for name, count in self._repeated.items():
            total[name] = max(total.get(name, 0), count)
        _add(total, self._new)
        return total


def _add(hits: Hits, more: Hits) -> None:
    for name, count in more.items():
        hits[name] = hits.get(name, 0) + count
