"""The filter: what it takes, and the SQL that each of its fields becomes."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.dialects import postgresql

from sealbook.contract.commands import ListInteractions
from sealbook.contract.documents import compact
from sealbook.contract.filters import Filter
from sealbook.errors import InvalidInput
from sealbook.projection.published import interactions
from sealbook.projection.selection import condition, like

CANARY = "canary-7f3a"
PARENT = "019a0a0a-0001-7abc-8def-0123456789ab"
MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


def read(**fields: Any) -> Filter:
    return ListInteractions.read(compact({"filter": fields})).filter


def refusal(**fields: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(**fields)
    assert CANARY[:10] not in str(caught.value)
    return str(caught.value)


def where(wanted: Filter, user_hash: str | None = None) -> str:
    dialect = postgresql.dialect(paramstyle="named")
    compiled = condition(wanted, interactions, user_hash).compile(
        dialect=dialect, compile_kwargs={"literal_binds": True}
    )
    return str(compiled).replace("review.interaction_v1.", "")


def test_a_bare_date_is_the_start_of_its_day_in_utc() -> None:
    assert read(**{"from": "2026-01-02"}).since == MIDNIGHT
    assert read(to="2026-01-02").until == MIDNIGHT


@pytest.mark.parametrize(
    "text", ["2026-01-02T00:00:00Z", "2026-01-02T05:30:00+05:30", "2026-01-01T23:00:00.000-01:00"]
)
def test_a_time_of_day_has_its_own_zone(text: str) -> None:
    assert read(to=text).until == MIDNIGHT


@pytest.mark.parametrize(
    "text", ["2026-01-02T00:00:00", "2026-13-01", "2026-02-30", CANARY[:10], CANARY, "", "today"]
)
@pytest.mark.parametrize("field", ["from", "to"])
def test_a_time_that_is_none_is_refused_and_not_quoted(field: str, text: str) -> None:
    assert f"`filter.{field}`" in refusal(**{field: text})


def test_to_before_from_is_refused() -> None:
    assert "`to` is before `from`" in refusal(**{"from": "2026-01-02", "to": "2026-01-01"})


def test_to_may_equal_from() -> None:
    assert where(read(**{"from": "2026-01-02", "to": "2026-01-02"})).count("occurred_at") == 2


def test_a_user_is_known_only_within_a_project() -> None:
    assert "`user` needs `project`" in refusal(user=CANARY)
    assert read(user="ada", project="support").user == "ada"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("provder", CANARY),
        ("status", CANARY),
        ("review_state", CANARY),
        ("parent_id", CANARY),
        *(("min_cost", value) for value in (CANARY, -1, "NaN", "Infinity", "1e999999", "1e31")),
        *(("min_latency_ms", value) for value in (CANARY, -1, "nan")),
        *(("project", value) for value in (CANARY * 30, f"{CANARY}'x", f"{CANARY}.b", "", 7)),
        *(("project", value) for value in ("*", ">", f"{CANARY} b", f"{CANARY}\n", "größe")),
        *(("project", value) for value in (f"{CANARY}\0", "x" * 65)),
        ("user", [CANARY]),
        ("model", f"{CANARY}\0"),
        ("tag", f"\0{CANARY}"),
    ],
)
def test_what_does_not_fit_is_named_and_not_quoted(field: str, value: Any) -> None:
    assert f"`filter.{field}`" in refusal(**{field: value})


@pytest.mark.parametrize(
    ("fields", "sql"),
    [
        ({}, "true"),
        ({"project": "support"}, "project = 'support'"),
        ({"provider": "openai"}, "provider = 'openai'"),
        ({"provider": "o'x"}, "provider = 'o''x'"),
        ({"status": "error"}, "status = 'error'"),
        ({"review_state": "flagged"}, "review_state = 'flagged'"),
        ({"session_id": "s"}, "session_id = 's'"),
        ({"parent_id": PARENT}, f"parent_id = '{PARENT}'"),
        ({"agent": "helper"}, "agent = 'helper'"),
        ({"error_class": "timeout"}, "error_class = 'timeout'"),
        ({"model": "gpt-4*"}, "model LIKE 'gpt-4%'"),
        ({"tag": "a'b"}, "(tags @> ARRAY['a''b'])"),
        ({"tool": "lookup"}, "(tools @> ARRAY['lookup'])"),
        ({"redacted": "email"}, "jsonb_exists(redactions, 'email')"),
        ({"from": "2026-01-02"}, "occurred_at >= '2026-01-02 00:00:00+00:00'"),
        ({"to": "2026-01-02"}, "occurred_at < '2026-01-02 00:00:00+00:00'"),
        ({"min_cost": "0.015"}, "cost_total_cents >= 1.500"),
        ({"min_cost": 0}, "cost_total_cents >= 0"),
        ({"min_latency_ms": 5.5}, "latency_ms >= 5.5"),
    ],
)
def test_each_field_is_one_condition(fields: dict[str, Any], sql: str) -> None:
    expected = sql if not fields else f"true AND {sql}"
    assert where(read(**fields)) == expected


def test_a_user_is_searched_by_the_hash_and_never_by_name() -> None:
    sql = where(read(user=CANARY, project="support"), "00ff")
    assert sql == "true AND project = 'support' AND user_hash = '00ff'"


def test_a_user_without_a_hash_is_nobody_and_matches_nothing() -> None:
    # Not `user_hash IS NULL`, which would match everything without a user.
    assert where(read(user=CANARY, project="support"), None) == "false"
    assert where(read(user=CANARY, project="support"), "") == "false"


@pytest.mark.parametrize("project", ["a", "A-z_09", "x" * 64])
def test_a_project_is_a_name_that_a_project_can_have(project: str) -> None:
    assert read(project=project).project == project


def test_all_conditions_hold_together() -> None:
    sql = where(read(project="support", tag="a", **{"from": "2026-01-01", "to": "2026-01-02"}))
    assert sql.count(" AND ") == 4
    assert " OR " not in sql


def test_every_field_of_the_filter_reaches_the_sql() -> None:
    every: dict[str, Any] = {
        "project": "a",
        "provider": "b",
        "model": "c",
        "status": "error",
        "review_state": "flagged",
        "tag": "d",
        "session_id": "e",
        "parent_id": UUID(PARENT),
        "user": "f",
        "agent": "g",
        "tool": "h",
        "error_class": "i",
        "since": MIDNIGHT,
        "until": MIDNIGHT,
        "min_cost": Decimal(1),
        "min_latency_ms": 1.0,
        "redacted": "j",
    }
    assert every.keys() == Filter.model_fields.keys()
    for left_out in every.keys() - {"project"}:
        fewer = Filter(**{name: value for name, value in every.items() if name != left_out})
        assert where(fewer, "k").count(" AND ") == len(every) - 1


@pytest.mark.parametrize(
    ("glob", "pattern"),
    [
        ("gpt-4o", "gpt-4o"),
        ("gpt-*", "gpt-%"),
        ("?pt*", "_pt%"),
        ("100%_sure", r"100\%\_sure"),
        ("a\\*", r"a\\%"),
        ("", ""),
    ],
)
def test_a_glob_becomes_a_like_pattern_and_its_own_signs_stay_signs(
    glob: str, pattern: str
) -> None:
    assert like(glob) == pattern
