"""What is in an exported file, on real servers: its columns, its rows, its cells."""

import json
from decimal import Decimal

import pytest
from exporting import csv_of, exported, exported_rows, fill, lines_of, refusal
from seen import recorded
from sending import CALL, CALL_CENTS

from sealbook import Recorder
from sealbook.cli.connection import Door
from services.export.columns import DEFAULT, SEALED


async def test_ndjson_holds_what_was_recorded_in_the_promised_columns(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    shown = await fill(recorder, admin, project, 12)
    job, content = await exported(exporter, format="ndjson", filter={"project": project})
    rows = lines_of(content)
    assert (job["rows"], job["truncated"], job["actor"]) == (12, False, "exporter")
    assert tuple(rows[0]) == DEFAULT
    for row, listed in zip(rows, shown, strict=True):
        for name in ("project", "provider", "model", "status", "input_tokens", "tags"):
            assert row[name] == listed[name]
        assert row["cost_total_cents"] == float(CALL_CENTS)
        assert row["request_payload"]["messages"][0]["content"] == "Write to [EMAIL], please."
        assert row["response_payload"] == CALL["response"]
        assert row["metadata"] == {}


async def test_csv_holds_the_same_rows_as_ndjson(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 12)
    wanted = {"project": project}
    header, *lines = csv_of((await exported(exporter, format="csv", filter=wanted))[1])
    rows = await exported_rows(exporter, project)
    assert tuple(header) == DEFAULT
    assert len(lines) == len(rows) == 12
    for line, row in zip(lines, rows, strict=True):
        cells = dict(zip(header, line, strict=True))
        assert cells["tags"] == "|".join(row["tags"])
        assert Decimal(cells["cost_total_cents"]) == Decimal(CALL_CENTS)
        assert cells["timestamp"] == row["timestamp"]
        for name in ("request_payload", "response_payload", "metadata"):
            assert json.loads(cells[name]) == row[name]


async def test_every_column_can_be_asked_for_by_name(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await recorder.record(
        **{**CALL, "user": "u-1", "error_message": "went wrong", "request_text": "said"}
    )
    await recorded(admin, project, 1)
    remedy = (await refusal(exporter, columns=["?"])).remedy
    names = remedy.removeprefix("Columns are: ").rstrip(".").split(", ")
    assert set(SEALED) | set(DEFAULT) <= set(names)
    [row] = await exported_rows(exporter, project, columns=names)
    assert list(row) == names
    assert (row["user"], row["error_message"], row["request_text"]) == (
        *("u-1", "went wrong"),
        "said",
    )


async def test_without_payloads_sealed_columns_are_empty(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 2)
    rows = await exported_rows(exporter, project, payloads=False)
    assert [row["request_payload"] for row in rows] == [None, None]
    assert [row["model"] for row in rows] == [CALL["model"]] * 2


async def test_a_limit_reports_that_the_file_is_truncated(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    await fill(recorder, admin, project, 5)
    wanted = {"project": project}
    for limit, rows, truncated in ((3, 3, True), (5, 5, False), (9, 5, False)):
        row, content = await exported(exporter, format="ndjson", filter=wanted, limit=limit)
        assert (row["rows"], row["truncated"]) == (rows, truncated)
        assert len(lines_of(content)) == rows


async def test_zero_rows_are_a_header_only(exporter: Door, project: str) -> None:
    row, content = await exported(exporter, format="csv", filter={"project": project})
    assert row["rows"] == 0
    assert content == (",".join(DEFAULT) + "\r\n").encode()
    row, content = await exported(exporter, format="ndjson", filter={"project": project})
    assert (row["rows"], content) == (0, b"")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff20"])
async def test_a_spreadsheet_formula_becomes_text_in_csv_and_stays_in_ndjson(
    recorder: Recorder, admin: Door, exporter: Door, project: str, start: str
) -> None:
    formula = f"{start}1+1"
    await recorder.record(provider="p", model=formula, tags=[formula], request_text=formula)
    await recorded(admin, project, 1)
    request = {"filter": {"project": project}, "columns": ["model", "tags", "request_text"]}
    _, content = await exported(exporter, format="csv", **request)
    assert csv_of(content)[1] == [f"'{formula}"] * 3
    _, content = await exported(exporter, format="ndjson", **request)
    assert lines_of(content) == [{"model": formula, "tags": [formula], "request_text": formula}]


async def test_a_big_export_is_whole(
    recorder: Recorder, admin: Door, exporter: Door, project: str
) -> None:
    """More rows than are read at once, more bytes than one part has."""
    text = "x" * 8_000
    receipts = await recorder.record_many(
        {"provider": "p", "model": "m", "request": [text, number], "session_id": f"s-{number}"}
        for number in range(1_300)
    )
    assert all(receipt.ok for receipt in receipts)
    await recorded(admin, project, 1_300)
    row, content = await exported(
        exporter,
        format="ndjson",
        filter={"project": project},
        columns=["session_id", "request_payload"],
    )
    assert len(content) > 10_000_000
    assert row["rows"] == 1_300
    assert {line["request_payload"][1] for line in lines_of(content)} == set(range(1_300))
