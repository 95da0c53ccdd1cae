"""Export formats: every cell comes back, the same row has the same bytes, no cell is a formula."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from sqlalchemy import Row

from sealbook.errors import SealBroken
from sealbook.projection.published import payload_binding
from sealbook.sealing.cipher import DataKey, seal
from sealbook.sealing.payload import Payload
from services.export.columns import CLEAR, DEFAULT, SEALED
from services.export.formats import FORMATS
from services.export.formats.value import Cell, RawJson
from services.export.rows import ERASED, cells, needs_keys

NAUGHTY = Path(__file__).parents[3] / "shared/data/json/naughty/blns.json"
ID = UUID("019a0a0a-0000-7abc-8def-0123456789ab")
AT = datetime(2026, 1, 2, 3, 4, 5, 60, UTC)
KEY = DataKey(UUID(int=2), b"d" * 32)


def written(name: str, columns: Sequence[str], *rows: Sequence[Cell]) -> bytes:
    made = FORMATS[name](columns)
    return made.head() + b"".join(made.row(row) for row in rows)


def csv_cell(cell: Cell) -> str:
    text = written("csv", ["a", "b"], [cell, "end"]).decode()
    _, (first, end) = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert end == "end"
    return first


def json_cell(cell: Cell) -> Any:
    (line,) = written("ndjson", ["a"], [cell]).splitlines()
    return json.loads(line)["a"]


def test_csv_is_rfc_4180() -> None:
    rows: list[list[Cell]] = [["plain", 'say "hi"'], ["a,b", "two\r\nlines"], [None, ""]]
    assert written("csv", ["x", "y"], *rows) == (
        b'x,y\r\nplain,"say ""hi"""\r\n"a,b","two\r\nlines"\r\n,\r\n'
    )


def test_an_empty_file_still_has_its_header() -> None:
    assert written("csv", DEFAULT).decode() == ",".join(DEFAULT) + "\r\n"
    assert written("ndjson", DEFAULT) == b""


def test_a_row_of_one_empty_cell_is_still_a_row() -> None:
    text = written("csv", ["a"], [None], [""]).decode()
    assert len(list(csv.reader(io.StringIO(text, newline="")))) == 3


@pytest.mark.parametrize("sign", list("=+-@\t\r\n＝＋－＠"))
def test_a_cell_that_a_spreadsheet_would_run_becomes_text(sign: str) -> None:
    text = f"{sign}cmd|' /C calc'!A0"
    assert csv_cell(text) == f"'{text}"
    assert csv_cell([text, "b"]) == f"'{text}|b"
    assert csv_cell(RawJson(f"{sign}1".encode())) == f"'{sign}1"
    assert json_cell(text) == text


@pytest.mark.parametrize("text", ["1+1", "a=b", "'", " =1", "größe", "\N{GRINNING FACE}", "a\0b"])
def test_other_text_is_left_as_it_is(text: str) -> None:
    assert csv_cell(text) == json_cell(text) == text


@pytest.mark.parametrize(
    ("cell", "in_csv", "in_json"),
    [
        (None, "", None),
        (0, "0", 0),
        (-5, "-5", -5),
        (2**53, "9007199254740992", 2**53),
        (187.25, "187.25", 187.25),
        (ID, str(ID), str(ID)),
        (["a", "b|c"], "a|b|c", ["a", "b|c"]),
        ([], "", []),
        ({"email": 2}, '{"email":2}', {"email": 2}),
        (RawJson(b'{"b":1,"a":[null]}'), '{"b":1,"a":[null]}', {"b": 1, "a": [None]}),
    ],
)
def test_each_kind_of_cell_has_its_form(cell: Cell, in_csv: str, in_json: Any) -> None:
    assert csv_cell(cell) == in_csv
    assert json_cell(cell) == in_json


@pytest.mark.parametrize(
    ("amount", "digits"),
    [
        ("0", "0"),
        ("0.00", "0"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E+3", "1000"),
        ("1E-30", "0.000000000000000000000000000001"),
        ("123456789012345678901234567890.10", "123456789012345678901234567890.1"),
    ],
)
def test_decimals_have_one_form_without_exponent(amount: str, digits: str) -> None:
    assert csv_cell(Decimal(amount)) == digits
    assert written("ndjson", ["a"], [Decimal(amount)]) == f'{{"a":{digits}}}\n'.encode()


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9))])
def test_times_have_one_form_in_utc(zone: timezone) -> None:
    assert csv_cell(AT.astimezone(zone)) == "2026-01-02T03:04:05.000060Z"
    assert json_cell(AT.astimezone(zone)) == "2026-01-02T03:04:05.000060Z"


def test_ndjson_is_one_object_per_line_in_the_order_of_the_columns() -> None:
    document = '{"text":"größe\\n\\u2028","n":100000000000000000000000000000000.5}'
    lines = written(
        "ndjson", ["b", "a"], [RawJson(document.encode()), "x\ny"], [None, "\u2028"]
    ).split(b"\n")
    assert [list(json.loads(line)) for line in lines[:-1]] == [["b", "a"], ["b", "a"]]
    assert lines[2] == b""
    assert document.encode() in lines[0]  # spliced as it was sealed, not encoded anew


def test_a_column_keeps_its_name_whatever_it_is() -> None:
    assert written("ndjson", ['a"b'], [1]) == b'{"a\\"b":1}\n'


def test_naughty_strings_come_back_from_both_formats() -> None:
    if not NAUGHTY.exists():
        pytest.skip(f"the naughty strings are not at {NAUGHTY}")
    for text in json.loads(NAUGHTY.read_text("utf-8")):
        assert json_cell(text) == text
        assert csv_cell(text).removeprefix("'") == text.removeprefix("'")


def test_the_same_row_has_the_same_bytes_in_a_new_file() -> None:
    row: list[Cell] = ["a", AT, Decimal("1.5"), RawJson(b"{}")]
    for name in FORMATS:
        assert written(name, list("abcd"), row, row) == written(name, list("abcd"), row, row)


def view_row(**fields: Any) -> Row[Any]:
    """A row of the interactions view as far as an export looks into it."""
    defaults: dict[str, Any] = dict.fromkeys(CLEAR.values())
    defaults |= {"id": ID, "project": "support", "occurred_at": AT, "tags": ["a"]}
    defaults |= {"policy_version": "p", "claim_object_key": None}
    return cast("Row[Any]", SimpleNamespace(**defaults, user_hash="00ff", **fields))


@pytest.fixture
def row() -> Row[Any]:
    rest = {
        **{"request_text": "hi", "response_text": None, "error_message": "no"},
        **{"metadata": {"ticket": 7}, "user": "ada"},
    }
    bare = view_row()
    payload = Payload.of({"q": 1}, None, rest).encode()
    bare.sealed = seal(KEY, payload, payload_binding(bare))  # type: ignore[attr-defined]
    return bare


KEYS: Mapping[UUID, DataKey] = {KEY.id: KEY}


def test_sealed_columns_are_opened_and_clear_ones_taken(row: Row[Any]) -> None:
    columns = ("timestamp", "project", "tags", *SEALED)
    expected = dict(zip(columns, cells(row, columns, KEYS, row.sealed), strict=True))
    assert expected == {
        "timestamp": AT,
        "project": "support",
        "tags": ["a"],
        "request_payload": RawJson(b'{"q":1}'),
        "response_payload": RawJson(b"null"),
        "metadata": RawJson(b'{"ticket":7}'),
        "user": "ada",
        "error_message": "no",
        "request_text": "hi",
        "response_text": None,
    }


def test_without_payloads_nothing_is_opened(row: Row[Any]) -> None:
    assert cells(row, ("project", "user", "request_payload"), None, None) == ["support", None, None]


def test_an_erased_payload_says_so_and_clear_columns_stay(row: Row[Any]) -> None:
    assert cells(row, ("project", "user", "request_payload"), {}, None) == [
        "support",
        ERASED,
        ERASED,
    ]


def test_an_erased_payload_is_still_a_valid_line(row: Row[Any]) -> None:
    columns = ("project", "request_payload")
    line = written("ndjson", columns, cells(row, columns, {}, None))
    assert json.loads(line) == {"project": "support", "request_payload": ERASED}


def test_a_payload_of_another_row_does_not_open(row: Row[Any]) -> None:
    row.project = "sales"  # type: ignore[attr-defined]
    with pytest.raises(SealBroken):
        cells(row, ("user",), KEYS, row.sealed)


def test_keys_are_needed_only_for_sealed_columns() -> None:
    assert needs_keys(DEFAULT, payloads=True)
    assert not needs_keys(DEFAULT, payloads=False)
    assert not needs_keys(tuple(CLEAR), payloads=True)
    assert all(needs_keys((name,), payloads=True) for name in SEALED)
