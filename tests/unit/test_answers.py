"""Answers to commands: over to the account of who asks, nowhere else, never over the limit."""

import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sealbook.contract import subjects
from sealbook.contract.commands import Command
from sealbook.errors import Conflict, Defect, Refused
from sealbook.runtime.commands import Handler, Verb, answer
from sealbook.runtime.process import Process
from sealbook.runtime.telemetry import Metrics

CANARY = "canary-7f3a"
MAX_PAYLOAD = 1000


class Echo(Command):
    """`echo`: an artificial command."""

    size: int = 0


class Asked:
    """A message as nats-py gives it; remembers what was answered."""

    def __init__(self, reply: str, body: bytes, actor: str) -> None:
        self.subject = subjects.command(actor, "echo")
        self.reply = reply
        self.data = body
        self.answers: list[bytes] = []

    async def respond(self, body: bytes) -> None:
        self.answers.append(body)


class Service:
    """A process with one verb: a broker that keeps the endpoint, and a log of refusals."""

    def __init__(self, handler: Handler[Echo], **verb: Any) -> None:
        self.metrics = Metrics()
        self.client = SimpleNamespace(max_payload=MAX_PAYLOAD)
        self.service = "review"
        self.broker = self
        self.heard: list[str] = []
        self.refusals: list[tuple[str, str, str | None, str | None]] = []
        self.endpoint: Callable[[Any], Awaitable[None]]
        answer(cast("Process", self), [Verb("echo", Echo, handler, **verb)])

    def subscriber(self, subject: str, **options: Any) -> Callable[[Any], None]:
        assert (options["queue"], options["no_reply"]) == ("review", True)
        self.heard.append(subject)

        def keep(endpoint: Callable[[Any], Awaitable[None]]) -> None:
            self.endpoint = endpoint

        return keep

    async def audit_refusal(
        self, actor: str, action: str, *, project: str | None = None, resource: str | None = None
    ) -> None:
        self.refusals.append((actor, action, project, resource))

    async def ask(
        self, reply: str = "_R_.alice.x", *, body: bytes = b"{}", actor: str = "alice"
    ) -> list[dict[str, Any]]:
        asked = Asked(reply, body, actor)
        await self.endpoint(SimpleNamespace(raw_message=asked, body=b"what FastStream made of it"))
        assert all(len(one) <= MAX_PAYLOAD for one in asked.answers)
        return [json.loads(one) for one in asked.answers]

    def count(self, outcome: str) -> float:
        labels = {"verb": "echo", "outcome": outcome}
        return self.metrics.registry.get_sample_value("sealbook_commands_total", labels) or 0.0


async def echo(actor: str, command: Echo) -> dict[str, Any]:
    return {"actor": actor, "text": "x" * command.size}


async def test_an_answer_goes_over_to_the_account_of_who_asks() -> None:
    service = Service(echo)
    assert service.heard == ["sealbook.command.*.echo"]
    for reply in ("_R_.D6wKlU.YypM3z", "_R_.x"):
        assert await service.ask(reply) == [{"ok": True, "actor": "alice", "text": ""}]
    assert (service.count("ok"), service.count("no_inbox")) == (2, 0)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "_INBOX",
        "_INBOX.alice.x",
        "_INBOX.review.x",
        "_R_",
        "_R_x.y",
        "_r_.x",
        " _R_.x",
        "sealbook._R_.x",
        "sealbook.log.0.interaction.reviewed.k",
        "sealbook.log.0.access.refused.k",
        "sealbook.submit.support",
        "sealbook.job.export.alice",
        "sealbook.command.alice.echo",
        "$JS.API.STREAM.DELETE.SEALBOOK_LOG",
        "$JS.ACK.SEALBOOK_SUBMIT.ingest.1.7.7.1700000000000000000.0",
    ],
)
async def test_who_wants_the_answer_elsewhere_gets_none_and_nothing_is_done(reply: str) -> None:
    done = []

    async def handler(actor: str, command: Echo) -> dict[str, Any]:
        done.append(actor)
        return {}

    service = Service(handler)
    assert await service.ask(reply) == []
    assert await service.ask(reply, body=b"no JSON") == []
    assert done == []
    assert (service.count("no_inbox"), service.count("ok"), service.count("invalid")) == (2, 0, 0)


async def test_an_answer_may_fill_a_message_and_not_one_byte_more() -> None:
    service = Service(echo)
    around = len(json.dumps({"ok": True, "actor": "alice", "text": ""}, separators=(",", ":")))
    (answered,) = await service.ask(body=json.dumps({"size": MAX_PAYLOAD - around}).encode())
    assert answered["ok"] is True
    (refused,) = await service.ask(body=json.dumps({"size": MAX_PAYLOAD - around + 1}).encode())
    assert refused["ok"] is False
    assert refused["error"] == {
        "code": "invalid",
        "message": "The answer has 1001 bytes, more than the 1000 of a message.",
        "remedy": "Ask for less at once, or export it.",
        "retryable": False,
    }


async def test_a_body_that_does_not_fit_is_told() -> None:
    (reply,) = await Service(echo).ask(body=b'{"siz": "' + CANARY.encode() + b'"}')
    assert reply["error"]["code"] == "invalid"
    assert "`siz`: unknown field" in reply["error"]["message"]
    assert CANARY not in str(reply)


async def test_where_another_service_owns_what_is_asked_this_one_is_silent() -> None:
    assert await Service(echo, mine=lambda command: command.size > 0).ask() == []


async def test_a_refusal_is_told_and_put_on_the_record() -> None:
    async def handler(actor: str, command: Echo) -> dict[str, Any]:
        raise Refused("No.", project="support", resource="i-1")

    service = Service(handler)
    (reply,) = await service.ask()
    assert reply["error"]["code"] == "refused"
    assert service.refusals == [("alice", "echo", "support", "i-1")]
    assert service.count("refused") == 1


async def test_an_error_of_ours_is_told_as_it_is() -> None:
    async def handler(actor: str, command: Echo) -> dict[str, Any]:
        raise Conflict("It moved on.", remedy="Look again.")

    (reply,) = await Service(handler).ask()
    assert reply["error"] == Conflict("It moved on.", remedy="Look again.").as_reply()


async def test_a_defect_is_told_without_what_it_stumbled_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def handler(actor: str, command: Echo) -> dict[str, Any]:
        raise RuntimeError(CANARY)

    service = Service(handler)
    (reply,) = await service.ask()
    assert reply["error"] == {
        "code": "internal",
        "message": "echo failed unexpectedly (RuntimeError).",
        "remedy": "See the log of the review service.",
        "retryable": False,
    }
    assert "echo failed" in caplog.text
    assert CANARY not in caplog.text
    assert service.count("internal") == 1
    assert (Defect.code, Defect.retryable) == ("internal", False)
