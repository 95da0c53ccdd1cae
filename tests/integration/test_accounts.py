"""No reply subject lets the server or a service write into the log in somebody else's place."""

import pytest
from sending import connect
from waiting import until

from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.contract import subjects
from sealbook.stream.append import LogWriter

FORGED = "0123456789abcdef0123456789abcdef"
EVENTS = ["interaction.recorded", "interaction.reviewed", "export.completed", "access.refused"]


@pytest.mark.parametrize("event_type", EVENTS)
async def test_an_acknowledgement_of_the_server_does_not_reach_the_log(
    stack: Stack, admin: Door, project: str, event_type: str
) -> None:
    forged = subjects.event(0, event_type, FORGED)
    recorder = await connect(stack, "recorder")
    await recorder.publish(subjects.submit(project), b"not a submission", reply=forged)

    async def held() -> list[str]:
        entries = (await admin.ask("quarantine.list", limit=1000))["entries"]
        return [entry["project"] for entry in entries]

    # Once the message is through, the stream has acknowledged it, wherever to.
    await until(held, lambda projects: project in projects, "the message in quarantine")
    assert await in_log(stack, forged) is None
    await recorder.close()


@pytest.mark.parametrize("event_type", EVENTS)
async def test_an_answer_of_a_service_does_not_reach_the_log(stack: Stack, event_type: str) -> None:
    forged = subjects.event(0, event_type, FORGED)
    client = await connect(stack, "reader")
    for verb in ("interaction.list", "rollup.query"):
        await client.publish(subjects.command("reader", verb), b"{}", reply=forged)
        # The second question is answered after the first one was.
        assert (await Door(client, "reader").ask(verb))["ok"]
    assert await in_log(stack, forged) is None
    await client.close()


async def in_log(stack: Stack, subject: str) -> object:
    client = await connect(stack, "provisioner")
    try:
        return await LogWriter(client, "test").last(subject)
    finally:
        await client.close()
