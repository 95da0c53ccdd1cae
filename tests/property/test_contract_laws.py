"""Laws of the contract: one canonical form per value, and readers that never raise anything else
than InvalidInput, whatever is sent."""

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from nats.aio.msg import Msg

from sealbook.contract.documents import JsonValue, canonical, compact, parse
from sealbook.contract.envelope import LogEntry
from sealbook.contract.events import EVENT_TYPES, Event
from sealbook.contract.filters import Filter
from sealbook.contract.subjects import is_token, partition_of, submit
from sealbook.contract.submission import Submission
from sealbook.contract.upcasting import read_event
from sealbook.errors import InvalidInput
from services.ingest.receive import Received, Rejected, arrive, receive

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.integers() | st.integers(-(10**40), 10**40)
floats = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | floats | texts
documents = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)
# Small pools, so that two draws are often the same value or nearly so.
near = st.recursive(
    st.sampled_from([None, True, False, 0, 1, -1, 0.0, 1.0, 1.5, "", "1", "a", "null", "a:1", ","]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab1"), inner, max_size=2)
    ),
    max_leaves=4,
)
FIELDS = st.sampled_from([*Submission.model_fields, "unknown"])
HOSTILE = documents | st.sampled_from(
    ["NaN", "-1e999999", "1e-999999", "9999-12-31T23:59:59-14:00", "0001-01-01", "\0", 1e308, -1]
)


def reordered(document: Any) -> Any:
    """The same value, with every object's keys the other way round."""
    if isinstance(document, dict):
        return {key: reordered(document[key]) for key in reversed(document)}
    if isinstance(document, list):
        return [reordered(item) for item in document]
    return document


def shape(document: Any) -> Any:
    """Equal only for the same JSON value: Python takes 1, 1.0 and True for one."""
    if isinstance(document, dict):
        return {key: shape(value) for key, value in document.items()}
    if isinstance(document, list):
        return [shape(item) for item in document]
    return (type(document).__name__, repr(document))


@given(document=documents)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read_back(document: JsonValue) -> None:
    assert shape(parse(compact(document))) == shape(document)
    assert shape(parse(canonical(document))) == shape(document)


@given(document=documents)
@settings(max_examples=200, deadline=None)
def test_the_canonical_form_does_not_know_the_order_of_keys(document: JsonValue) -> None:
    assert canonical(reordered(document)) == canonical(document)


@given(one=near, other=near)
@settings(max_examples=250, deadline=None)
def test_values_have_the_same_canonical_form_exactly_when_they_are_the_same(
    one: JsonValue, other: JsonValue
) -> None:
    assert (canonical(one) == canonical(other)) == (shape(one) == shape(other))


@given(body=st.binary(max_size=40) | texts.map(str.encode) | documents.map(compact))
@settings(max_examples=250, deadline=None)
def test_any_bytes_are_a_document_or_refused(body: bytes) -> None:
    try:
        document = parse(body)
    except InvalidInput as error:
        assert error.__suppress_context__ or error.__context__ is None
    else:
        assert document == json.loads(body)


bodies = st.one_of(
    st.binary(max_size=40),
    documents.map(compact),
    st.dictionaries(
        st.sampled_from(
            sorted({name for one in EVENT_TYPES.values() for name in one.model_fields})
        ),
        HOSTILE,
        max_size=12,
    ).map(compact),
)


@given(
    event_type=st.sampled_from([*EVENT_TYPES, "", "export.*"]) | texts,
    version=st.integers(-2, 4) | st.integers(),
    body=bodies,
)
@settings(max_examples=250, deadline=None)
def test_upcasting_is_total(event_type: str, version: int, body: bytes) -> None:
    with contextlib.suppress(InvalidInput):
        assert isinstance(read_event(event_type, version, body), Event)


@given(
    version=st.one_of(texts, st.integers().map(str), st.text("0123456789", max_size=20)),
    event_type=st.sampled_from([*EVENT_TYPES]),
    body=bodies,
)
@settings(max_examples=200, deadline=None)
def test_reading_an_entry_is_total(version: str, event_type: str, body: bytes) -> None:
    entry = LogEntry(1, "s", {"ce-type": event_type, "ce-dataversion": version}, body)
    with contextlib.suppress(InvalidInput):
        assert isinstance(entry.event(), Event)


@given(document=documents | st.dictionaries(FIELDS, HOSTILE, max_size=6))
@settings(max_examples=250, deadline=None)
def test_a_submission_is_read_or_refused_and_what_is_read_survives(document: JsonValue) -> None:
    try:
        read = Submission.read(document)
    except InvalidInput:
        return
    assert Submission.read(parse(compact(read.document()))) == read


@given(
    body=st.binary(max_size=40) | st.dictionaries(FIELDS, HOSTILE, max_size=4).map(compact),
    project=texts,
    headers=st.none() | st.dictionaries(st.just("Nats-Msg-Id"), texts),
)
@settings(max_examples=200, deadline=None)
def test_any_message_of_the_queue_is_received_or_rejected(
    body: bytes, project: str, headers: dict[str, str] | None
) -> None:
    reply = "$JS.ACK.SEALBOOK_SUBMIT.ingest.1.7.7.1700000000000000000.0"
    subject = f"sealbook.submit.{project}"
    message = Msg(_client=None, subject=subject, reply=reply, data=body, headers=headers)  # type: ignore[arg-type]
    arrival = arrive(message)
    result = receive(arrival)
    assert isinstance(result, Received | Rejected)
    kept = (result.arrival.subject, result.arrival.body, result.arrival.stored_at)
    assert kept == (subject, body, arrival.stored_at)
    if isinstance(result, Received):
        assert result.project == project
        assert result.id.version == 7
        assert is_token(result.project)


@given(
    document=st.dictionaries(
        st.sampled_from([*Filter.model_fields, "from", "to"]), HOSTILE, max_size=4
    )
)
@settings(max_examples=200, deadline=None)
def test_a_filter_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        wanted = Filter.model_validate(document)
    except ValueError:
        return
    assert wanted.project is None or is_token(wanted.project)
    again = json.loads(wanted.model_dump_json(by_alias=True, exclude_unset=True))
    assert Filter.model_validate(again) == wanted


@given(name=texts | st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
@settings(max_examples=200, deadline=None)
def test_a_name_is_one_token_of_a_subject_or_refused(name: str) -> None:
    try:
        subject = submit(name)
    except InvalidInput:
        assert not is_token(name)
    else:
        assert subject.split(".") == ["sealbook", "submit", name]
        assert not set(name) & set(".*>$ \t\r\n\0")


@given(key=texts, partitions=st.integers(1, 64))
@settings(max_examples=200, deadline=None)
def test_a_partition_is_one_of_those_there_are(key: str, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
