"""From what the application says about an interaction to the message that goes on the bus. Pure."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sealbook.contract import documents, subjects
from sealbook.contract.ids import new_id
from sealbook.contract.submission import Submission
from sealbook.errors import InvalidInput
from sealbook.stream.atomic import Outgoing

if TYPE_CHECKING:
    from sealbook.sealing.submission import SealTo

# nats-py compares the body alone with the server's `max_payload`; the server counts the headers
# too and closes the connection of a client that sends more. Ours take under 250 bytes.
HEADER_ROOM = 512


def pack(
    fields: Mapping[str, Any], project: str, seal_to: "SealTo | None" = None
) -> tuple[UUID, Outgoing]:
    """The interaction's id and its message, sealed when `seal_to` is given; `project` stands in
    where the fields name none.

    Raises:
        InvalidInput: naming the fields that do not fit, never their values.
    """
    submission = Submission.read(_with_id(fields))
    interaction_id = submission.id or new_id()
    project = submission.project or project
    subject, body = subjects.submit(project), _body(submission)
    if seal_to is not None:
        body = seal_to.seal(body, project)
    return interaction_id, Outgoing(subject, body, {"Nats-Msg-Id": str(interaction_id)})


def _with_id(fields: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(fields, Mapping):
        raise InvalidInput(
            f"A submission is a mapping of field names to values, not {type(fields).__name__}.",
            remedy="Pass the fields that docs/submission.md lists.",
        )
    given = fields.get("id")
    return {**fields, "id": new_id() if given is None else given}


def _body(submission: Submission) -> bytes:
    try:
        return _written(submission)
    except InvalidInput:
        raise
    except Exception:  # noqa: BLE001 a payload's own serializers raise anything, and quote it
        raise InvalidInput(
            f"{_unwritable(submission)} cannot be written as JSON.",
            remedy="Pass dictionaries, lists, valid Unicode, numbers, or models of pydantic.",
        ) from None


def _written(submission: Submission, only: set[str] | None = None) -> bytes:
    # Not `Submission.document`: its JSON mode turns NaN into null, and pydantic's warnings about
    # payloads quote them.
    document = submission.model_dump(exclude_unset=True, include=only, warnings=False)
    documents.check(document)
    return documents.compact(document)


def _unwritable(submission: Submission) -> str:
    for name in sorted(submission.model_fields_set):
        try:
            _written(submission, only={name})
        except Exception:  # noqa: BLE001 as above; that it fails is what we look for
            return f"The field `{name}`"
    return "The submission"
