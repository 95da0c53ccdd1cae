"""Data keys wrapped by AWS KMS, through the real client library."""

import asyncio
import base64
import socket
from collections.abc import Iterator
from uuid import UUID

import pytest
from key_servers import FakeKms, arn, served

from sealbook.errors import KeyUnavailable, Misconfigured, SealbookError, SealBroken, Unavailable
from sealbook.sealing import aws_kms as module
from sealbook.sealing.aws_kms import AwsKms, KmsKey
from sealbook.sealing.scope import Scope

SECRET = b"s" * 32
CONTEXT = Scope("support", "subject", "ada").context(UUID(int=1))
KEY = arn("11111111")
KEK_ID = f"aws-kms:{KEY}"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def server() -> Iterator[FakeKms]:
    fake = FakeKms()
    with served(fake):
        yield fake


def kms(server: FakeKms, key_id: str = KEY) -> AwsKms:
    return AwsKms(KmsKey(key_id, "eu-central-1", server.url))


def error(kind: str, status: int = 400) -> tuple[int, dict[str, str]]:
    return status, {"__type": kind, "message": "no"}


async def refusal(of: AwsKms, kek_id: str, wrapped: bytes, context: bytes) -> SealbookError:
    with pytest.raises(SealbookError) as caught:
        await of.unwrap(kek_id, wrapped, context)
    assert "not-a-secret" not in str(caught.value)
    return caught.value


async def test_what_is_wrapped_unwraps_and_tells_the_keys_arn(server: FakeKms) -> None:
    keys = kms(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    assert kek_id == KEK_ID == await keys.active()
    assert SECRET not in wrapped
    assert await kms(server).unwrap(kek_id, wrapped, CONTEXT) == SECRET


async def test_the_scope_is_kms_own_encryption_context(server: FakeKms) -> None:
    keys = kms(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    await keys.unwrap(kek_id, wrapped, CONTEXT)
    expected = {
        "key": str(UUID(int=1)),
        "project": "support",
        "purpose": "subject",
        "name": "ada",
    }
    assert [body["EncryptionContext"] for _, body in server.requests] == [expected, expected]
    await keys.wrap(SECRET, Scope("", "service", "export.requests").context(UUID(int=1)))
    assert "" not in server.requests[-1][1]["EncryptionContext"].values()


async def test_an_alias_that_moves_on_is_a_rotation(server: FakeKms) -> None:
    keys = kms(server, "alias/sealbook")
    old, wrapped = await keys.wrap(SECRET, CONTEXT)
    server.aliases["alias/sealbook"] = server.add("99999999")
    assert await keys.active() == f"aws-kms:{arn('99999999')}" != old == KEK_ID
    assert await keys.unwrap(old, wrapped, CONTEXT) == SECRET


async def test_a_wrapping_is_bound_to_its_scope(server: FakeKms) -> None:
    keys = kms(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    elsewhere = Scope("sales", "subject", "ada").context(UUID(int=1))
    assert type(await refusal(keys, kek_id, wrapped, elsewhere)) is SealBroken


async def test_a_wrapping_is_bound_to_its_key(server: FakeKms) -> None:
    keys = kms(server)
    _, wrapped = await keys.wrap(SECRET, CONTEXT)
    other = f"aws-kms:{server.add('99999999')}"
    assert type(await refusal(keys, other, wrapped, CONTEXT)) is SealBroken


async def test_every_altered_byte_of_a_wrapping_is_refused(server: FakeKms) -> None:
    keys = kms(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    for at in range(0, len(wrapped), 3):
        altered = bytearray(wrapped)
        altered[at] ^= 1
        assert type(await refusal(keys, kek_id, bytes(altered), CONTEXT)) is SealBroken


@pytest.mark.parametrize("kek_id", ["local-0011", "vault:transit/sealbook:v1", ""])
async def test_a_key_of_another_provider_is_named(server: FakeKms, kek_id: str) -> None:
    caught = await refusal(kms(server), kek_id, b"x" * 80, CONTEXT)
    assert type(caught) is KeyUnavailable
    assert repr(kek_id) in caught.message
    assert server.requests == []


async def test_a_key_that_is_gone_is_named(server: FakeKms) -> None:
    keys = kms(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    for reason in ("DisabledException", "KMSInvalidStateException"):
        server.refused[KEY] = reason
        caught = await refusal(keys, kek_id, wrapped, CONTEXT)
        assert type(caught) is KeyUnavailable
        assert KEY in caught.message
        assert reason in caught.message
    del server.keys[KEY]
    assert type(await refusal(keys, kek_id, wrapped, CONTEXT)) is KeyUnavailable


@pytest.mark.parametrize(
    "reason", ["AccessDeniedException", "DisabledException", "UnrecognizedClientException"]
)
async def test_a_key_that_may_not_be_used_is_named_with_what_to_do(
    server: FakeKms, reason: str
) -> None:
    server.refused[KEY] = reason
    with pytest.raises(Misconfigured, match=f"does not let this role use the key '{KEY}'") as it:
        await kms(server).active()
    assert reason in it.value.message
    assert "kms:Encrypt" in it.value.remedy


async def test_access_denied_on_unwrapping_is_no_broken_key(server: FakeKms) -> None:
    keys = kms(server)
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    server.refused[KEY] = "AccessDeniedException"
    assert type(await refusal(keys, kek_id, wrapped, CONTEXT)) is Misconfigured


async def test_a_missing_key_is_named(server: FakeKms) -> None:
    with pytest.raises(Misconfigured, match=r"'alias/nobodys' \(NotFoundException\)"):
        await kms(server, "alias/nobodys").active()


@pytest.mark.parametrize(
    "failure",
    [error("ThrottlingException"), error("KMSInternalException", 500), error("Oops", 503)],
)
async def test_a_passing_trouble_passes(
    server: FakeKms, failure: tuple[int, dict[str, str]]
) -> None:
    keys = kms(server)
    server.failures = [failure]
    kek_id, wrapped = await keys.wrap(SECRET, CONTEXT)
    server.failures = [failure]
    assert await keys.unwrap(kek_id, wrapped, CONTEXT) == SECRET
    assert len(server.requests) == 4


@pytest.mark.parametrize("kind", ["ThrottlingException", "DependencyTimeoutException"])
async def test_a_lasting_trouble_is_waited_for(server: FakeKms, kind: str) -> None:
    server.failures = [error(kind)] * module.ATTEMPTS
    with pytest.raises(Unavailable, match=f"does not answer .{kind}") as caught:
        await kms(server).active()
    assert caught.value.retryable


async def test_nobody_at_the_address_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    keys = AwsKms(KmsKey(KEY, "eu-central-1", f"http://127.0.0.1:{port}"))
    with pytest.raises(Unavailable, match="does not answer"):
        await keys.active()


async def test_without_credentials_the_remedy_says_so(
    server: FakeKms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    with pytest.raises(Misconfigured, match="no credentials for AWS KMS"):
        await kms(server).active()


async def test_many_keys_at_a_time_share_one_client(server: FakeKms) -> None:
    keys = kms(server)
    wrapped = await asyncio.gather(*(keys.wrap(bytes([n]) * 32, CONTEXT) for n in range(50)))
    opened = await asyncio.gather(*(keys.unwrap(*one, CONTEXT) for one in wrapped))
    assert opened == [bytes([n]) * 32 for n in range(50)]
    sent = {base64.b64decode(body.get("Plaintext", "")) for _, body in server.requests}
    assert sent - {b""} == set(opened)


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS"])
def test_data_keys_go_nowhere_that_our_settings_do_not_say(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9/canary")
    keys = AwsKms(KmsKey(KEY, "eu-central-1"))
    assert keys._client.meta.endpoint_url == "https://kms.eu-central-1.amazonaws.com"
