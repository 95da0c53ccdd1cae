"""The auditor reads the log and cannot write to it."""

import json

from nats.aio.client import Client
from sending import CALL, connect, send
from waiting import until

from sealbook.cli.stack import Stack
from sealbook.contract import subjects
from sealbook.provision.permissions import AUDIT_API_PREFIX
from sealbook.stream.append import LogWriter


async def entries(auditor: Client) -> list[tuple[str, dict[str, str], bytes]]:
    """All of the log, through the auditor's own way to it."""
    config = {"name": "audit", "ack_policy": "none", "deliver_policy": "all", "mem_storage": True}
    create = f"{AUDIT_API_PREFIX}.CONSUMER.CREATE.{subjects.LOG_STREAM}.audit"
    request = {"stream_name": subjects.LOG_STREAM, "config": config}
    made = json.loads((await auditor.request(create, json.dumps(request).encode())).data)
    inbox = auditor.new_inbox()
    subscription = await auditor.subscribe(inbox)
    pull = f"{AUDIT_API_PREFIX}.CONSUMER.MSG.NEXT.{subjects.LOG_STREAM}.audit"
    await auditor.publish(pull, json.dumps({"batch": 10_000, "no_wait": True}).encode(), inbox)
    found = []
    for _ in range(made["num_pending"]):
        message = await subscription.next_msg(timeout=10)
        found.append((message.subject, message.headers or {}, message.data))
    await subscription.unsubscribe()
    return found


async def test_the_auditor_reads_what_was_recorded(stack: Stack, project: str) -> None:
    submitter = await connect(stack, "recorder")
    await send(submitter, project, CALL)
    auditor = await connect(stack, "auditor")

    async def mine() -> list[tuple[str, dict[str, str], bytes]]:
        return [entry for entry in await entries(auditor) if project.encode() in entry[2]]

    ((subject, headers, body),) = await until(mine, bool, "the event in the log")
    assert subject.split(".")[3:5] == ["interaction", "recorded"]
    assert headers["ce-type"] == "interaction.recorded"
    assert b"jane.doe@example.com" not in body
    for client in (submitter, auditor):
        await client.close()


async def test_no_question_of_the_auditor_is_answered_into_the_log(stack: Stack) -> None:
    auditor = await connect(stack, "auditor")
    forged = subjects.event(0, "interaction.reviewed", "0123456789abcdef")
    info = f"{AUDIT_API_PREFIX}.STREAM.INFO.{subjects.LOG_STREAM}"
    await auditor.publish(info, b"", reply=forged)
    assert json.loads((await auditor.request(info, b"")).data)["config"]["name"]
    provisioner = await connect(stack, "provisioner")
    assert await LogWriter(provisioner, "test").last(forged) is None
    for client in (auditor, provisioner):
        await client.close()
