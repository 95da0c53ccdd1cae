"""A recorder that seals: what it puts on the bus opens for ingest and tells others nothing."""

from uuid import UUID

import pytest

from sealbook import BlockingRecorder, Recorder
from sealbook.contract.documents import parse
from sealbook.errors import InvalidInput, Misconfigured
from sealbook.recorder.packing import pack
from sealbook.sealing.submission import SealedBody, SealTo

CANARY = "canary-4711"
SECRET = bytes(range(32))
KEY_ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
TO = SealTo.of(KEY_ID, SECRET)


def opened(message: bytes, project: str) -> object:
    document = parse(message)
    assert isinstance(document, dict)
    return parse(SealedBody.read(document).open(KEY_ID, SECRET, project))


def test_the_sealed_body_is_the_plain_one() -> None:
    fields = {"id": UUID(int=(7 << 76) | (2 << 62)), "provider": "p", "request": CANARY}
    plain_id, plain = pack(fields, "demo")
    sealed_id, sealed = pack(fields, "demo", TO)
    assert opened(sealed.body, "demo") == parse(plain.body)
    assert (sealed.subject, sealed.headers, sealed_id) == (plain.subject, plain.headers, plain_id)
    assert CANARY.encode() not in sealed.body


def test_it_is_sealed_for_the_project_the_submission_names() -> None:
    _, message = pack({"provider": "p", "project": "support"}, "demo", TO)
    assert message.subject == "sealbook.submit.support"
    assert opened(message.body, "support") is not None


def test_what_is_invalid_is_refused_before_it_is_sealed() -> None:
    with pytest.raises(InvalidInput, match="`surprise`"):
        pack({"surprise": CANARY}, "demo", TO)


@pytest.mark.parametrize("kind", [Recorder, BlockingRecorder])
@pytest.mark.parametrize("line", ["", CANARY, str(TO)[:-1], f"{TO}:"])
def test_what_is_no_key_is_refused_when_the_recorder_is_made(
    kind: type[Recorder] | type[BlockingRecorder], line: str
) -> None:
    with pytest.raises(Misconfigured, match="sealbook keys public") as caught:
        kind("nats://localhost:4222", project="demo", seal_to=line)
    assert CANARY not in str(caught.value)
