"""The recorder against a real nats-server: what it acknowledges is on the bus, once."""

import asyncio
import contextlib
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from nats.aio.client import Client

from sealbook import BlockingRecorder, Receipt, Recorder
from sealbook.cli.lines import MAX_LINE_BYTES
from sealbook.cli.record_file import Summary, record_file
from sealbook.contract import subjects
from sealbook.contract.ids import new_id
from sealbook.errors import InvalidInput, SealbookError, Unavailable
from sealbook.stream import atomic
from sealbook.stream.bus import BusAddress, connect
from sealbook.stream.cursor import api
from sealbook.stream.topology import Topology, declare

CONFIG = """
listen: "127.0.0.1:{port}"
max_payload: 1MB
jetstream {{ store_dir: "{store}", sync_interval: always }}
authorization {{
  users: [
    {{ user: anyone, password: anyone }}
    {{ user: app, password: secret, permissions: {{
      publish: ["sealbook.submit.demo"], subscribe: ["_INBOX.app.>"] }} }}
  ]
}}
no_auth_user: anyone
"""
CANARY = "canary-4711"
CALL = {"provider": "openai", "model": "gpt-4o", "request": {"prompt": CANARY}}


class Server:
    """A nats-server that can be stopped and started again on the same store and port."""

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        self._config.write_text(CONFIG.format(port=self.port, store=folder / "store"))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        binary = Path(sys.executable).parent / "nats-server"
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen([binary, "-c", self._config], stdout=quiet, stderr=quiet)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return
            time.sleep(0.02)
        raise AssertionError("nats-server did not start")

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Server]:
    """A server that does not run yet."""
    server = Server(tmp_path)
    yield server
    server.kill()


@pytest.fixture
async def server(silent: Server) -> Server:
    """A running server with Sealbook's streams."""
    silent.start()
    async with admin(silent) as client:
        await declare(client, Topology())
    return silent


@contextlib.asynccontextmanager
async def admin(server: Server) -> AsyncIterator[Client]:
    client = await connect(BusAddress(server.url), name="test")
    try:
        yield client
    finally:
        await client.close()


async def stored(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    """(subject, Nats-Msg-Id, body) of every submission in the stream, in order."""
    messages = []
    async with admin(server) as client:
        state = (await api(client, f"STREAM.INFO.{subjects.SUBMIT_STREAM}", {}))["state"]
        assert isinstance(state, dict)
        stream = client.jetstream()
        for sequence in range(int(state["first_seq"]), int(state["last_seq"]) + 1):
            message = await stream.get_msg(subjects.SUBMIT_STREAM, sequence)
            assert message.data is not None
            headers = message.headers or {}
            messages.append(
                (message.subject or "", headers["Nats-Msg-Id"], json.loads(message.data))
            )
    return messages


async def stored_ids(server: Server) -> list[UUID]:
    return [UUID(message_id) for _, message_id, _ in await stored(server)]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 what we wait for is another's progress
            await asyncio.sleep(0.005)


def calls(count: int) -> Iterator[dict[str, Any]]:
    return ({**CALL, "metadata": {"n": number}} for number in range(count))


async def test_a_record_is_on_the_bus_under_its_id(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        receipt = await recorder.record(**CALL, latency_ms=187, tags=["triage"])
        assert recorder.state == "sending"
    assert receipt == Receipt(True, receipt.interaction_id)
    [(subject, message_id, body)] = await stored(server)
    assert subject == "sealbook.submit.demo"
    assert message_id == str(receipt.interaction_id) == body["id"]
    assert body == {"id": message_id, **CALL, "latency_ms": 187.0, "tags": ["triage"]}


async def test_concurrent_records_arrive_exactly_once(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        receipts = await asyncio.gather(*(recorder.record(**call) for call in calls(1_500)))
        assert recorder.counters.delivered == 1_500
    assert all(receipt.ok for receipt in receipts)
    assert await stored_ids(server) == [receipt.interaction_id for receipt in receipts]


async def test_bulk_keeps_order_and_waits_for_room(server: Server) -> None:
    async with Recorder(server.url, project="demo", queue_limit=200) as recorder:
        receipts = await recorder.record_many(calls(1_500))
        assert recorder.counters.overflowed == 0
    assert all(receipt.ok for receipt in receipts)
    assert [body["metadata"]["n"] for _, _, body in await stored(server)] == list(range(1_500))


async def test_an_idle_recorder_sends_at_once(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        await recorder.record(**CALL)
        started = time.monotonic()
        await recorder.record(**CALL)
        assert time.monotonic() - started < 0.5


async def test_an_invalid_record_is_refused_by_name_without_its_values(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        receipts = [
            await recorder.record(**CALL, surprise=CANARY),
            await recorder.record(**CALL, latency_ms=CANARY),
            await recorder.record(**CALL, project=f"{CANARY}.>"),
            await recorder.record(**CALL, metadata={"what": object()}),
            await recorder.record(**CALL, response=float("nan")),
            await recorder.record(**CALL, response="\ud800"),
            await recorder.record(**CALL, id="0190"),
        ]
        assert recorder.counters.refused == 7
        many = await recorder.record_many([CALL, {"surprise": 1}, 7, CALL])  # type: ignore[list-item]
    assert not any(receipt.ok or receipt.retryable for receipt in receipts)
    assert not any(CANARY in (receipt.error or "") for receipt in receipts)
    assert "`surprise`" in (receipts[0].error or "")
    assert "`metadata`" in (receipts[3].error or "")
    assert [receipt.ok for receipt in many] == [True, False, False, True]


async def test_duplicates_within_a_batch_and_across_batches_count_once(server: Server) -> None:
    first, second = new_id(), new_id()
    async with Recorder(server.url, project="demo") as recorder:
        together = await recorder.record_many(
            [{**CALL, "id": first}, {**CALL, "id": second}, {**CALL, "id": first}]
        )
        later = await recorder.record_many([{**CALL, "id": second}, CALL])
    assert all(receipt.ok for receipt in together + later)
    ids = await stored_ids(server)
    assert len(ids) == 3
    assert set(ids) == {first, second, later[1].interaction_id}


async def test_a_submission_over_the_limit_is_refused_and_the_others_go_on(server: Server) -> None:
    async with Recorder(server.url, project="demo") as recorder:
        sizes = (10, 2**20, 2**20 - 600, 3 * 2**20, 10)
        receipts = await recorder.record_many({**CALL, "response": "x" * size} for size in sizes)
        again = await recorder.record(**CALL)
    assert [receipt.ok for receipt in receipts] == [True, False, False, False, True]
    assert "over the bus's limit of 1048064" in (receipts[1].error or "")
    assert again.ok
    assert len(await stored(server)) == 3


async def test_a_server_killed_midway_loses_nothing(server: Server) -> None:
    async with Recorder(server.url, project="demo", max_wait_s=60) as recorder:
        recording = asyncio.create_task(recorder.record_many(calls(6_000)))
        await until(lambda: recorder.counters.delivered >= 500)
        await asyncio.to_thread(server.kill)
        assert not recording.done()
        await asyncio.sleep(0.5)
        await asyncio.to_thread(server.start)
        receipts = await recording
    assert all(receipt.ok for receipt in receipts)
    ids = await stored_ids(server)
    assert len(ids) == 6_000
    assert set(ids) == {receipt.interaction_id for receipt in receipts}


async def test_a_server_that_hangs_bounds_the_wait_and_gets_it_once(server: Server) -> None:
    async with Recorder(server.url, project="demo", max_wait_s=0.2, close_wait_s=30) as recorder:
        assert (await recorder.record(**CALL)).ok
        server.signal(signal.SIGSTOP)
        receipts = await asyncio.gather(*(recorder.record(**call) for call in calls(20)))
        server.signal(signal.SIGCONT)
    assert all(receipt.pending for receipt in receipts)
    assert len(await stored_ids(server)) == 21


async def test_a_forbidden_project_does_not_hold_up_the_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "PUBLISH_SECONDS", 0.3)  # a forbidden publish has no other answer
    async with Recorder(
        server.url, project="demo", user="app", password="secret", max_wait_s=20, close_wait_s=0
    ) as recorder:
        receipts = asyncio.gather(
            *(recorder.record(**CALL, project=name) for name in ("other", "demo", "demo"))
        )
        await until(lambda: recorder.counters.delivered == 2)
        assert recorder.state == "failing"
        assert "permits this subject" in (recorder.trouble or "")
        await recorder.close()
    assert [receipt.ok for receipt in await receipts] == [False, True, True]
    assert len(await stored_ids(server)) == 2


async def test_a_server_that_comes_later_gets_what_was_queued(
    silent: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Recorder(silent.url, project="demo", max_wait_s=0.2, close_wait_s=30) as recorder:
        started = time.monotonic()
        receipt = await recorder.record(**CALL)
        assert 0.15 < time.monotonic() - started < 2.0
        assert not receipt.ok
        assert receipt.pending
        assert "still queued" in (receipt.error or "")
        await asyncio.to_thread(silent.start)
        async with admin(silent) as client:
            await declare(client, Topology())
    assert await stored_ids(silent) == [receipt.interaction_id]
    assert CANARY not in caplog.text


async def test_a_full_queue_refuses_at_once_and_counts(silent: Server) -> None:
    url = silent.url
    async with Recorder(
        url, project="demo", max_wait_s=0.4, close_wait_s=0, queue_limit=2
    ) as recorder:
        pending = [await recorder.record(**CALL), await recorder.record(**CALL)]
        started = time.monotonic()
        refused = await recorder.record(**CALL)
        assert time.monotonic() - started < 0.3
        assert recorder.counters.overflowed == 1
    assert all(receipt.pending for receipt in pending)
    assert not refused.pending
    assert refused.retryable
    assert "2 of 2 submissions" in (refused.error or "")
    async with Recorder(url, project="demo", close_wait_s=0, queue_bytes=100) as recorder:
        refused = await recorder.record(**CALL, response="x" * 100)
    assert "of 100 bytes" in (refused.error or "")


async def test_bulk_without_a_bus_waits_once_not_for_each(silent: Server) -> None:
    async with Recorder(
        silent.url, project="demo", max_wait_s=0.3, close_wait_s=0, queue_limit=10
    ) as recorder:
        started = time.monotonic()
        receipts = await recorder.record_many(calls(50))
        assert time.monotonic() - started < 1.0
    assert sum(receipt.pending for receipt in receipts) == 10
    assert not any(receipt.ok for receipt in receipts)


async def test_close_reports_what_was_not_sent(
    silent: Server, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(silent.url, project="demo", max_wait_s=30, close_wait_s=0.1)
    async with recorder:
        recording = [asyncio.create_task(recorder.record(**CALL)) for _ in range(3)]
        await until(lambda: recorder.queued == 3)
        unsent = await recorder.close()
        receipts = await asyncio.gather(*recording)
    assert set(unsent) == {receipt.interaction_id for receipt in receipts}
    assert "closed with 3 submissions not sent" in (receipts[0].error or "")
    assert "closed with 3 submissions not sent" in caplog.text
    assert recorder.state == "closed"
    assert recorder.queued == 0
    assert "not open" in ((await recorder.record(**CALL)).error or "")


async def test_strict_raises_what_the_receipt_would_say(silent: Server) -> None:
    recorder = Recorder(silent.url, project="demo", strict=True, max_wait_s=0.2, close_wait_s=0)
    with pytest.raises(SealbookError, match="not open"):
        await recorder.record(**CALL)
    with pytest.raises(Unavailable, match="does not answer"):
        async with recorder:
            raise AssertionError("opened without a server")
    silent.start()  # without streams: nobody takes submissions
    with pytest.raises(Unavailable, match="closed with 1 submissions not sent"):
        async with recorder:
            with pytest.raises(InvalidInput, match="`surprise`"):
                await recorder.record(surprise=1)
            with pytest.raises(Unavailable, match="still queued"):
                await recorder.record(**CALL)


@pytest.mark.parametrize("url", ["", "nats://host:port", "http://[::1", "nats://u:canary@:1"])
async def test_what_is_no_url_is_said_without_its_secrets(url: str) -> None:
    async with Recorder(url, project="demo", max_wait_s=0.1, close_wait_s=0) as recorder:
        receipt = await recorder.record(**CALL)
    assert "The URL of NATS is not one" in (receipt.error or "")
    assert "canary" not in (receipt.error or "")


async def test_wrong_password_is_said_and_does_not_raise(server: Server, tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("wrong")
    async with Recorder(
        server.url, project="demo", user="app", password=password, max_wait_s=30
    ) as recorder:
        recording = asyncio.create_task(recorder.record(**CALL))
        await until(lambda: recorder.state == "failing")
        assert "does not accept the user 'app'" in (recorder.trouble or "")
        password.write_text("secret\n")
        assert (await recording).ok
    with pytest.raises(SealbookError, match="does not accept the user 'app'"):
        async with Recorder(server.url, project="demo", user="app", password="wrong", strict=True):
            raise AssertionError("opened with a wrong password")


async def test_blocking_recorder_serves_many_threads(server: Server) -> None:
    receipts: list[Receipt] = []

    def work(recorder: BlockingRecorder) -> None:
        receipts.extend(recorder.record(**call) for call in calls(50))

    def run() -> None:
        with BlockingRecorder(server.url, project="demo") as recorder:
            threads = [threading.Thread(target=work, args=(recorder,)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            receipts.extend(recorder.record_many(calls(100)))
            assert recorder.counters.delivered == 500
        assert recorder.state == "closed"
        assert "not open" in (recorder.record(**CALL).error or "")
        assert [receipt.ok for receipt in recorder.record_many(calls(2))] == [False, False]

    await asyncio.to_thread(run)
    assert all(receipt.ok for receipt in receipts)
    ids = await stored_ids(server)
    assert len(ids) == len(receipts) == 500
    assert set(ids) == {receipt.interaction_id for receipt in receipts}


async def test_closing_the_blocking_recorder_answers_the_calls_of_other_threads(
    silent: Server,
) -> None:
    def run() -> list[Receipt]:
        receipts: list[Receipt] = []
        recorder = BlockingRecorder(silent.url, project="demo", max_wait_s=60, close_wait_s=0.1)
        with recorder:
            thread = threading.Thread(target=lambda: receipts.append(recorder.record(**CALL)))
            thread.start()
            while recorder.queued < 1:
                time.sleep(0.01)
            assert len(recorder.close()) == 1
            thread.join()
        return receipts

    [receipt] = await asyncio.to_thread(run)
    assert "closed with 1 submissions not sent" in (receipt.error or "")


def test_a_strict_blocking_recorder_raises_on_entering(silent: Server) -> None:
    with pytest.raises(InvalidInput, match="bus user"):
        BlockingRecorder(silent.url, project="demo", user="a.b", strict=True).__enter__()
    assert not [t for t in threading.enumerate() if t.name == "sealbook-recorder"]


async def test_a_forked_child_gets_a_receipt_that_says_so(server: Server) -> None:
    def run() -> int:
        with BlockingRecorder(server.url, project="demo") as recorder:
            assert recorder.record(**CALL).ok
            child = os.fork()
            if child == 0:  # nothing but this: the child has the test runner's whole state
                os._exit(0 if "not open in this process" in str(recorder.record(**CALL)) else 1)
            return os.waitpid(child, 0)[1]

    assert await asyncio.to_thread(run) == 0


async def test_a_file_is_recorded_line_by_line_and_resumes(server: Server, tmp_path: Path) -> None:
    exchange = {"provider": "openai", "uri": "https://x.test/v1/chat", "request": {"model": "m"}}
    lines = [json.dumps(exchange | {"name": f"n{number}"}) for number in range(1_200)]
    lines[3:3] = ["{broken", "", json.dumps({"surprise": CANARY})]
    path = tmp_path / "calls.jsonl"
    path.write_text("\ufeff" + "\n".join(lines))
    seen: list[int] = []

    def progress(summary: Summary) -> None:
        seen.append(summary.bytes_read)

    async with Recorder(server.url, project="demo") as recorder:
        first = await record_file(recorder, path, "files", on_progress=progress)
        again = await record_file(recorder, path, "files", on_progress=progress)
    assert (first.submitted, first.acknowledged, first.stopped) == (1_201, 1_200, None)
    assert [number for number, _ in first.refused] == [4, 6]
    assert CANARY not in str(first.refused)
    assert again.acknowledged == 1_200
    assert seen[1] == path.stat().st_size
    messages = await stored(server)
    # The second run carries the same ids with the same content: ingest counts them once.
    contents = {message_id: body for _, message_id, body in messages}
    assert len(contents) == 1_200
    assert all(body == contents[message_id] for _, message_id, body in messages)
    assert {subject for subject, _, _ in messages} == {"sealbook.submit.files"}


async def test_a_pipe_with_an_overlong_line_is_recorded(server: Server) -> None:
    line = json.dumps(CALL).encode()
    pipe = io.BytesIO(b"\n".join([line, b"x" * (MAX_LINE_BYTES + 3_000_000), line]))
    async with Recorder(server.url, project="demo") as recorder:
        summary = await record_file(recorder, pipe, "demo", on_progress=lambda _: None)
    assert summary.acknowledged == 2
    assert [number for number, _ in summary.refused] == [2]
    assert f"has {MAX_LINE_BYTES + 3_000_001} bytes" in summary.refused[0][1]


async def test_a_file_stops_when_the_bus_takes_nothing(silent: Server, tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("\n".join(json.dumps(call) for call in calls(2_500)))
    async with Recorder(silent.url, project="demo", max_wait_s=0.2, close_wait_s=0) as recorder:
        summary = await record_file(recorder, path, "demo", on_progress=lambda _: None)
    assert summary.submitted == 1_000
    assert summary.acknowledged == 0
    assert (summary.stopped or "").startswith("Line 1: ")


def test_importing_sealbook_is_light() -> None:
    heavy = {"cryptography", "sqlalchemy", "nats", "faststream", "minio", "psycopg"}
    program = "import sys, sealbook; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not heavy & set(loaded)
    program = "import sys, sealbook; sealbook.Recorder; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not (heavy - {"nats"}) & set(loaded)
