"""Who gets which exports, on real servers: rows by project, jobs by actor, files by a link."""

import asyncio
from typing import Any

import pytest
from exporting import exported, fetch, fill, jobs_of, lines_of, refusal
from seen import interactions
from sending import CALL
from stacks import ONE_PROJECT
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door


async def test_an_exporter_of_one_project_gets_no_rows_of_another(
    recorder: Recorder, admin: Door, open_door: Any, project: str
) -> None:
    await fill(recorder, admin, project, 2)
    receipt = await recorder.record(**CALL, project=ONE_PROJECT)
    assert receipt.ok
    await until(
        lambda: interactions(admin, ONE_PROJECT),
        lambda rows: any(row["id"] == str(receipt.interaction_id) for row in rows),
        "the interaction of the other project",
    )
    local = await open_door("local")
    _, content = await exported(local, format="ndjson", columns=["project", "id"])
    rows = lines_of(content)
    assert {row["project"] for row in rows} == {ONE_PROJECT}
    assert str(receipt.interaction_id) in {row["id"] for row in rows}
    assert (await refusal(local, format="csv", filter={"project": project})).code == "refused"


async def test_jobs_belong_to_their_actor(exporter: Door, open_door: Any, admin: Door) -> None:
    row, _ = await exported(exporter, format="csv", limit=1)
    local = await open_door("local")
    assert row["job_id"] not in {one["job_id"] for one in await jobs_of(local)}
    for verb in ("export.show", "export.cancel", "export.download"):
        error = await refusal(local, verb, job_id=row["job_id"])
        assert error.code == "refused"
    assert (await admin.ask("export.show", job_id=row["job_id"]))["export"]["actor"] == "exporter"


async def test_a_download_link_is_short_lived_not_stored_and_tells_the_checksum(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 2)
    row, content = await exported(exporter, format="csv", filter={"project": project})
    link = await exporter.ask("export.download", job_id=row["job_id"])
    assert link["filename"] == "sealbook-interactions.csv"
    assert "X-Amz-Expires=900" in link["url"]
    assert "no-store" in link["url"]
    assert await asyncio.to_thread(fetch, link["url"]) == content
    tampered = link["url"].replace(row["job_id"], "0" * 32)
    with pytest.raises(OSError, match="403"):
        await asyncio.to_thread(fetch, tampered)
