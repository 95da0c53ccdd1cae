"""A message of the submit queue as a submission, or the reason why it is none. Pure."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

from nats.aio.msg import Msg

from sealbook.contract import documents, subjects
from sealbook.contract.documents import JsonValue
from sealbook.contract.ids import derived_id
from sealbook.contract.submission import Submission
from sealbook.errors import InvalidInput
from sealbook.sealing import blind_index
from sealbook.sealing.cipher import DataKey
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
    """A submission that can be processed. `document` is its parsed body."""

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
        return blind_index.content_hash(index_key, content)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message that cannot be processed: `code` may be seen by all, `detail` is sealed."""

    arrival: Arrival
    project: str | None
    code: str
    detail: str


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


def receive(arrival: Arrival) -> Received | Rejected:
    """What to do with a message; never raises."""
    project = subjects.project_of(arrival.subject)
    if project is None:
        return Rejected(arrival, None, "bad_project", "The project is not a valid name.")
    try:
        document = documents.parse(arrival.body)
    except InvalidInput as error:
        return Rejected(arrival, project, "malformed_json", str(error))
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
