"""Exports as of a position of the log, on real servers: what came later is not in the file."""

from exporting import csv_of, exported, fill
from seen import interactions, recorded
from sending import CALL
from waiting import until

from sealbook import Recorder
from sealbook.cli.connection import Door

WITH_REVIEW = ["id", "session_id", "review_state", "reviewed_by", "reviewed_at", "log_position"]


async def test_a_position_gives_the_same_bytes_after_more_was_recorded_and_reviewed(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    rows = await fill(recorder, admin, project, 6)
    await admin.ask("review", ids=[rows[0]["id"]], state="flagged")
    await until(
        lambda: interactions(admin, project, review_state="flagged"), bool, "the first review"
    )
    request = {"format": "csv", "filter": {"project": project}, "columns": WITH_REVIEW}
    first, content = await exported(exporter, **request)

    await admin.ask("review", ids=[row["id"] for row in rows], state="approved")
    await recorder.record_many([CALL] * 5)
    await recorded(admin, project, 11)
    await until(
        lambda: interactions(admin, project, review_state="approved"),
        lambda found: len(found) == 6,
        "six approvals",
    )
    again, same = await exported(
        exporter, **request, as_of=first["position"], idempotency_key=project
    )
    assert again["job_id"] != first["job_id"]
    assert same == content
    assert [line[2] for line in csv_of(same)[1:]] == ["flagged"] + ["unreviewed"] * 5
    newest = csv_of((await exported(exporter, **request))[1])[1:]
    assert [line[2] for line in newest] == ["approved"] * 6 + ["unreviewed"] * 5


async def test_a_filter_by_review_state_looks_at_the_position_too(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    rows = await fill(recorder, admin, project, 3)
    before = rows[-1]["log_position"]
    await admin.ask("review", ids=[rows[1]["id"]], state="rejected")
    wanted = {"project": project, "review_state": "rejected"}
    await until(lambda: interactions(admin, project, review_state="rejected"), bool, "the review")
    now, _ = await exported(exporter, format="ndjson", filter=wanted)
    then, _ = await exported(exporter, format="ndjson", filter=wanted, as_of=before)
    assert (now["rows"], then["rows"]) == (1, 0)
