"""Files of submissions against a real nats-server: line by line, resumed, stopped."""

import io
import json
from pathlib import Path

from recording import CALL, CANARY, Server, calls, stored

from sealbook import Recorder
from sealbook.cli.lines import MAX_LINE_BYTES
from sealbook.cli.record_file import Summary, record_file


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
