"""A message of the submit queue as a submission, or the reason why it is none. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

import orjson
from nats.aio.msg import Msg

from sealbook.contract import documents, subjects
from sealbook.contract.documents import JsonValue
from sealbook.contract.ids import derived_id
from sealbook.contract.submission import Submission
from sealbook.errors import InvalidInput
from sealbook.sealing import blind_index
from sealbook.sealing.cipher import DataKey
from sealbook.sealing.submission import SealedBody
from sealbook.stream.delivery import delivery


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came, and the interaction id it will have unless its body says another.
    It may come out of the quarantine: then `stored_at` is still when the bus first had it."""

    subject: str
    body: bytes = field(repr=False)
    sequence: int
    stored_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Received:
    """A submission that can be processed. `document` is its parsed body, without a seal."""

    arrival: Arrival
    id: UUID
    project: str
    submission: Submission
    document: dict[str, JsonValue]

    def fingerprint(self, index_key: DataKey) -> str:
        """Tells the same content from other content; the id and the project are its address."""
        content: dict[str, JsonValue] = {
            key: value for key, value in self.document.items() if key not in ("id", "project")
        }
        return blind_index.content_hash(index_key, _canonical(content))


@dataclass(frozen=True, slots=True)
class SealedArrival:
    """A message whose content its client sealed to ingest: `unsealed` goes on with it."""

    arrival: Arrival
    project: str
    body: SealedBody


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be processed: `code` may be seen by all, `detail` is sealed."""

    arrival: Arrival
    project: str | None
    code: str
    detail: str


def _canonical(content: dict[str, JsonValue]) -> bytes:
    """The same bytes for the same content, whatever the order of its keys."""
    try:
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits
        return documents.canonical(content)


def arrive(message: Msg) -> Arrival:
    """The message with what the bus knows about it."""
    numbers = delivery(message.reply)
    stored_ms = numbers.stored_ns // 1_000_000
    given = _given_id(message)
    made = derived_id(stored_ms, message.subject, numbers.stream_sequence)
    return Arrival(
        message.subject,
        message.data,
        numbers.stream_sequence,
        numbers.stored_at,
        given or made,
    )


def receive(arrival: Arrival) -> Received | SealedArrival | Rejected:
    """What to do with a message; never raises."""
    project = subjects.project_of(arrival.subject)
    if project is None:
        return Rejected(arrival, None, "bad_project", "The project is not a valid name.")
    try:
        document = documents.parse(arrival.body)
    except InvalidInput as error:
        return Rejected(arrival, project, "malformed_json", str(error))
    if not isinstance(document, dict) or "sealed_to" not in document:
        return _submitted(arrival, project, document)
    try:
        return SealedArrival(arrival, project, SealedBody.read(document))
    except InvalidInput as error:
        return Rejected(arrival, project, error.code, str(error))


def unsealed(sealed: SealedArrival, key: DataKey) -> Received | Rejected:
    """What to do with the content of a sealed message, which must be a plain submission; never
    raises. A rejected one keeps its seal. `key` is that of ingest alone: a message must not choose
    which of the keyring's keys is tried on it."""
    arrival, project = sealed.arrival, sealed.project
    try:
        body = sealed.body.open(key.id, key.secret, project)
    except InvalidInput as error:
        return Rejected(arrival, project, error.code, str(error))
    try:
        return _submitted(arrival, project, documents.parse(body))
    except InvalidInput as error:
        return Rejected(arrival, project, "malformed_json", str(error))


def _submitted(arrival: Arrival, project: str, document: JsonValue) -> Received | Rejected:
    try:
        submission = Submission.read(document)
        _same_project(submission, project)
    except InvalidInput as error:
        return Rejected(arrival, project, "invalid_submission", str(error))
    assert isinstance(document, dict)  # noqa: S101 Submission.read accepts nothing else
    arrival = replace(arrival, id=submission.id or arrival.id)
    return Received(arrival, arrival.id, project, submission, document)


def _given_id(message: Msg) -> UUID | None:
    text = (message.headers or {}).get("Nats-Msg-Id", "")
    try:
        given = UUID(text)
    except ValueError:
        return None
    return given if given.version == 7 else None


def _same_project(submission: Submission, project: str) -> None:
    if submission.project not in (None, project):
        raise InvalidInput(
            "The submission names another project than its subject.",
            remedy="Publish it to `sealbook.submit.<project>` of its own project.",
        )
