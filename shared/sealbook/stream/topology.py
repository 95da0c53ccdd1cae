"""The streams and their durable consumers. Only this module declares them."""

from dataclasses import dataclass
from datetime import datetime

from nats.aio.client import Client

from sealbook.contract import subjects
from sealbook.errors import Misconfigured, Unavailable
from sealbook.stream.cursor import api

PARTITIONS = 8
INGEST_CONSUMER = "ingest"
EXPORT_CONSUMER = "export"
ACK_WAIT_SECONDS = 20
_PARTITIONS_KEY = "sealbook-partitions"
_SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Topology:
    """What a deployment chooses: the partition count (fixed once the log is made), replicas."""

    partitions: int = PARTITIONS
    replicas: int | None = None
    """None keeps what a stream has, and is one for a new stream."""

    def streams(self) -> list[dict[str, object]]:
        """The stream configurations, in JetStream's own terms."""
        common: dict[str, object] = {"storage": "file", "discard": "new"}
        if self.replicas is not None:
            common["num_replicas"] = self.replicas
        return [
            common
            | {
                "name": subjects.SUBMIT_STREAM,
                "subjects": [subjects.ALL_SUBMISSIONS],
                "retention": "workqueue",
                "allow_atomic": True,
                # As short as it can be. ingest knows every id there ever was; a window would only
                # swallow other content under the same id, unseen.
                "duplicate_window": _SECOND // 10,
            },
            common
            | {
                "name": subjects.JOB_STREAM,
                "subjects": [subjects.ALL_JOBS],
                "retention": "workqueue",
                "duplicate_window": _SECOND // 10,
            },
            common
            | {
                "name": subjects.LOG_STREAM,
                "subjects": [subjects.ALL_EVENTS],
                "retention": "limits",
                "allow_atomic": True,
                "allow_direct": True,
                "deny_purge": True,
                "metadata": {_PARTITIONS_KEY: str(self.partitions)},
            },
        ]

    def consumers(self) -> list[tuple[str, dict[str, object]]]:
        """(stream, durable consumer): the two shared by all processes of a service."""
        return [
            (subjects.SUBMIT_STREAM, _work_queue_reader(INGEST_CONSUMER)),
            (
                subjects.JOB_STREAM,
                _work_queue_reader(EXPORT_CONSUMER) | {"filter_subject": subjects.ALL_EXPORT_JOBS},
            ),
        ]


async def declare(client: Client, topology: Topology) -> None:
    """Make what is missing; bring what exists up to these settings.

    Raises:
        Misconfigured: the log exists with another partition count.
    """
    existing = await _stream_names(client)
    if subjects.LOG_STREAM in existing:
        await _check_partitions(client, topology)
    for stream in topology.streams():
        name = stream["name"]
        if name in existing:
            # What we do not set is the operator's: limits, replicas, placement.
            kept = (await api(client, f"STREAM.INFO.{name}", {}))["config"]
            assert isinstance(kept, dict)  # noqa: S101 so the JetStream API has it
            labels = _metadata(kept) | _metadata(stream)
            merged = kept | stream | ({"metadata": labels} if labels else {})
            await api(client, f"STREAM.UPDATE.{name}", merged)
        else:
            await api(client, f"STREAM.CREATE.{name}", stream)
    for stream_name, consumer in topology.consumers():
        durable = consumer["durable_name"]
        request: dict[str, object] = {"stream_name": stream_name, "config": consumer}
        await api(client, f"CONSUMER.DURABLE.CREATE.{stream_name}.{durable}", request)


async def partition_count(client: Client) -> int:
    """How many partitions the log was made with. Raises Unavailable when there is no log."""
    info = await api(client, f"STREAM.INFO.{subjects.LOG_STREAM}", {})
    config = info["config"]
    metadata = config.get("metadata", {}) if isinstance(config, dict) else {}
    if _PARTITIONS_KEY not in metadata:
        raise Unavailable(
            f"The stream {subjects.LOG_STREAM} was not made by Sealbook.",
            remedy="Rename it, and run `sealbook setup`.",
        )
    return int(metadata[_PARTITIONS_KEY])


async def last_position(client: Client) -> int:
    """The position of the newest entry of the log; 0 when it is empty."""
    info = await api(client, f"STREAM.INFO.{subjects.LOG_STREAM}", {})
    state = info["state"]
    return int(state["last_seq"]) if isinstance(state, dict) else 0


async def made_at(client: Client) -> datetime:
    """When the log was made; one that was restored from a backup keeps its time."""
    info = await api(client, f"STREAM.INFO.{subjects.LOG_STREAM}", {})
    return datetime.fromisoformat(str(info["created"]))


def _metadata(stream: dict[str, object]) -> dict[str, object]:
    metadata = stream.get("metadata", {})
    return metadata if isinstance(metadata, dict) else {}


def _work_queue_reader(name: str) -> dict[str, object]:
    return {
        "durable_name": name,
        "ack_policy": "explicit",
        "ack_wait": ACK_WAIT_SECONDS * _SECOND,
        "max_ack_pending": 10_000,
        "max_deliver": -1,
    }


async def _stream_names(client: Client) -> list[str]:
    answer = await api(client, "STREAM.NAMES", {})
    names = answer.get("streams")
    return names if isinstance(names, list) else []


async def _check_partitions(client: Client, topology: Topology) -> None:
    made_with = await partition_count(client)
    if made_with != topology.partitions:
        raise Misconfigured(
            f"The log was made with {made_with} partitions, not {topology.partitions}.",
            remedy=f"Use `sealbook setup --partitions {made_with}`: the count is fixed for a log's "
            "life.",
        )
