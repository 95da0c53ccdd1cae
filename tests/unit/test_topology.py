"""The streams: what they promise to keep, and how long the bus takes a repetition for one."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sealbook.contract import subjects
from sealbook.errors import Misconfigured
from sealbook.stream.topology import Topology, declare

STREAMS: dict[str, dict[str, Any]] = {str(one["name"]): one for one in Topology(8).streams()}


def test_there_are_three_streams() -> None:
    assert STREAMS.keys() == {subjects.SUBMIT_STREAM, subjects.JOB_STREAM, subjects.LOG_STREAM}
    assert all(one["storage"] == "file" for one in STREAMS.values())
    assert all(one["discard"] == "new" for one in STREAMS.values())


def test_no_window_of_message_ids_swallows_other_content() -> None:
    # A tenth of a second, the least there is: ingest and export know every id there ever was.
    for name in (subjects.SUBMIT_STREAM, subjects.JOB_STREAM):
        assert STREAMS[name]["duplicate_window"] == 100_000_000
        assert STREAMS[name]["retention"] == "workqueue"


def test_the_log_keeps_everything() -> None:
    log = STREAMS[subjects.LOG_STREAM]
    assert (log["retention"], log["deny_purge"]) == ("limits", True)
    assert not {"max_age", "max_bytes", "max_msgs", "max_msgs_per_subject"} & log.keys()


def test_replicas_are_set_only_when_they_are_chosen() -> None:
    assert not [one for one in STREAMS.values() if "num_replicas" in one]
    assert [one["num_replicas"] for one in Topology(8, 3).streams()] == [3, 3, 3]
    # All else is the same.
    assert [one | {"num_replicas": 3} for one in STREAMS.values()] == Topology(8, 3).streams()


class Server:
    """JetStream's API with the streams that exist; an update takes the place of what was."""

    def __init__(self, **configs: dict[str, Any]) -> None:
        self.configs = configs
        self.calls: list[str] = []

    async def request(self, subject: str, body: bytes, **_: Any) -> SimpleNamespace:
        call, request = subject.removeprefix("$JS.API."), json.loads(body)
        self.calls.append(call)
        answer: dict[str, Any] = {}
        if call == "STREAM.NAMES":
            # With no stream at all the server's list is null.
            answer = {"streams": list(self.configs) or None}
        elif call.startswith("STREAM.INFO."):
            answer = {"config": self.configs[call.removeprefix("STREAM.INFO.")]}
        elif call.startswith(("STREAM.CREATE.", "STREAM.UPDATE.")):
            assert (request["name"] in self.configs) == ("UPDATE" in call)
            assert call.endswith(f".{request['name']}")
            self.configs[request["name"]] = request
        return SimpleNamespace(data=json.dumps(answer).encode())

    async def declare(self, topology: Topology) -> None:
        await declare(cast("Any", self), topology)


async def test_what_is_missing_is_made() -> None:
    server = Server()
    await server.declare(Topology(8))
    assert server.configs == STREAMS
    assert [call for call in server.calls if "CONSUMER" in call] == [
        "CONSUMER.DURABLE.CREATE.SEALBOOK_SUBMIT.ingest",
        "CONSUMER.DURABLE.CREATE.SEALBOOK_JOB.export",
    ]


async def test_what_an_operator_set_is_kept_and_what_we_set_is_brought_up_to_date() -> None:
    operators = {"num_replicas": 3, "max_bytes": 10**12, "placement": {"tags": ["eu"]}}
    server = Server()
    await server.declare(Topology(8))
    for config in server.configs.values():
        config.update(operators)
        config["discard"] = "old"
    await server.declare(Topology(8))
    assert server.configs == {name: one | operators for name, one in STREAMS.items()}
    await server.declare(Topology(8, 5))
    chosen = operators | {"num_replicas": 5}
    assert server.configs == {name: one | chosen for name, one in STREAMS.items()}


async def test_one_stream_that_is_missing_is_made_beside_the_others() -> None:
    server = Server()
    await server.declare(Topology(8))
    del server.configs[subjects.JOB_STREAM]
    await server.declare(Topology(8))
    assert server.configs == STREAMS


async def test_another_partition_count_changes_no_stream() -> None:
    server = Server()
    await server.declare(Topology(8))
    server.calls.clear()
    with pytest.raises(Misconfigured, match="made with 8 partitions, not 4") as caught:
        await server.declare(Topology(4))
    assert "sealbook setup --partitions 8" in str(caught.value)
    assert [call for call in server.calls if "CREATE" in call or "UPDATE" in call] == []
