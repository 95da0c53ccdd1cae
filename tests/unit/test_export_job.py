"""Export jobs: the same request at the same position is the same job, and columns have names."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from sealbook.contract.commands import ExportRequest
from sealbook.contract.documents import compact
from sealbook.errors import InvalidInput
from sealbook.projection.published import interaction_columns
from services.export.columns import CLEAR, DEFAULT, SEALED, chosen
from services.export.job import Job

CANARY = "canary-7f3a"
# docs: the columns of an interactions export, in order; further ones by name.
PROMISED = """timestamp, project, provider, model, status, input_tokens, output_tokens,
cost_total_cents, tags, request_payload, response_payload, metadata"""
FURTHER = """id, session_id, parent_id, user, agent, latency_ms, time_to_first_token_ms,
http_status, error_class, error_message, request_text, response_text, review_state, reviewed_by,
reviewed_at, cache_read_tokens, cache_write_tokens, reasoning_tokens, currency, tools, redactions,
policy_version, log_position"""


def job(actor: str = "alice", **fields: Any) -> Job:
    return Job(actor, ExportRequest.read(compact({"as_of": 7} | fields)))


def test_the_same_request_at_the_same_position_is_the_same_job() -> None:
    one = job(filter={"project": "support", "status": "error"}, columns=["id"])
    same = job(columns=["id"], filter={"status": "error", "project": "support"})
    assert one.id == same.id
    assert one.object_key == same.object_key
    assert re.fullmatch("[0-9a-f]{32}", one.id)


def test_the_id_of_a_job_stays_what_it_was() -> None:
    # A message delivered again after an upgrade must find its job.
    assert job(filter={"project": "support"}).id == "2413eddd1553d8ec1b69625b775e7406"


def test_the_same_request_over_other_projects_is_another_job() -> None:
    one = job(filter={"status": "error"})
    held = [None, {"support"}, {"sales"}, {"sales", "support"}]
    several = [replace(one, projects=None if some is None else frozenset(some)) for some in held]
    assert len({each.id for each in several}) == len(held)
    assert len({each.object_key for each in several}) == len(held)


def test_the_order_of_projects_makes_no_other_job() -> None:
    names = [f"p{number}" for number in range(50)]
    one, other = (
        replace(job(), projects=frozenset(order)) for order in (names, [*reversed(names)])
    )
    assert one.id == other.id


def test_an_idempotency_key_holds_for_the_same_projects_only() -> None:
    key = {"idempotency_key": "k"}
    support, sales = (
        replace(job(**key), projects=frozenset({one})) for one in ("support", "sales")
    )
    assert len({job(**key).id, support.id, sales.id}) == 3
    assert replace(job(**key, as_of=99), projects=frozenset({"support"})).id == support.id


def test_the_id_of_a_job_of_some_projects_stays_what_it_was() -> None:
    one = replace(job(), projects=frozenset({"support", "sales"}))
    assert one.id == "c4dd6a34193852b95474e4f4f5a763c1"


@pytest.mark.parametrize(
    "other",
    [
        {"actor": "bob"},
        {"as_of": 8},
        {"format": "ndjson"},
        {"filter": {"project": "support"}},
        {"filter": {"from": "2026-01-01"}},
        {"columns": ["id"]},
        {"limit": 1},
        {"payloads": False},
        {"name": "monthly"},
        {"idempotency_key": "k"},
    ],
)
def test_another_request_is_another_job(other: dict[str, Any]) -> None:
    assert job(**other).id != job().id


def test_what_is_said_as_by_default_is_not_another_job() -> None:
    said = {"table": "interactions", "format": "csv", "filter": {}, "columns": [], "limit": None}
    assert job(**said, compression="none", payloads=True).id == job().id


def test_an_idempotency_key_stands_for_the_whole_request() -> None:
    one = job(idempotency_key="k")
    assert job(idempotency_key="k", as_of=99, format="ndjson").id == one.id
    assert job(idempotency_key="l").id != one.id
    assert job(idempotency_key="k", actor="bob").id != one.id


def test_what_asks_the_same_may_ask_at_another_position() -> None:
    one = job(filter={"project": "support"}, columns=["id"], idempotency_key="k")
    later = job(filter={"project": "support"}, columns=["id"], idempotency_key="k", as_of=99)
    assert one.asks_the_same_as(one)
    assert one.asks_the_same_as(later)
    assert later.asks_the_same_as(one)
    # Jobs are left as they are.
    assert (one.position, later.position) == (7, 99)


@pytest.mark.parametrize(
    "other",
    [
        {"format": "ndjson"},
        {"filter": {"project": "support"}},
        {"columns": ["id"]},
        {"limit": 1},
        {"payloads": False},
        {"name": "monthly"},
        {"idempotency_key": "l"},
    ],
)
def test_what_asks_for_another_file_does_not_ask_the_same(other: dict[str, Any]) -> None:
    one, another = job(idempotency_key="k"), job(**{"idempotency_key": "k"} | other)
    assert not one.asks_the_same_as(another)
    assert not another.asks_the_same_as(one)


def test_an_idempotency_key_cannot_pose_as_a_request() -> None:
    content = job().request_body().decode()
    assert job(idempotency_key=content[:128]).id != job().id


@pytest.mark.parametrize(("alias", "name"), [("jsonl", "ndjson"), ("ndjson", "ndjson")])
def test_jsonl_is_another_name_for_ndjson(alias: str, name: str) -> None:
    assert job(format=alias).request.format == name
    assert job(format=alias).id == job(format=name).id


def test_the_object_key_holds_nothing_a_person_chose() -> None:
    one = job(name="../../etc/passwd", idempotency_key="../x", actor="alice")
    assert re.fullmatch(r"exports/[0-9a-f]{32}/sealbook-interactions\.csv", one.object_key)


def test_a_request_body_reads_back_as_the_same_job() -> None:
    one = job(
        name="größe",
        filter={"project": "support", "from": "2026-01-01", "to": "2026-01-02T00:00:00+02:00"},
        columns=["id", "user"],
        limit=5,
    )
    again = Job("alice", ExportRequest.read(one.request_body()))
    assert again == one
    assert again.id == one.id
    assert json.loads(one.request_body())["filter"]["from"] == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"format": CANARY}, "`format`"),
        ({"table": "secrets"}, "`table`"),
        ({"order": CANARY}, "`order`: unknown field"),
        ({"filter": {"projekt": CANARY}}, "`filter.projekt`: unknown field"),
        ({"limit": 0}, "`limit`"),
        ({"limit": 2**53 + 1}, "`limit`"),
        ({"as_of": -1}, "`as_of`"),
        ({"as_of": 2**53 + 1}, "`as_of`"),
        ({"filter": {"project": f"{CANARY}.b"}}, "`filter.project`"),
        ({"idempotency_key": CANARY * 20}, "`idempotency_key`"),
        ({"columns": [CANARY] * 65}, "`columns`"),
        ({"format": [CANARY]}, "`format`"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_by_what_does_not(
    fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        job(**fields)
    assert named in str(caught.value)
    assert CANARY not in str(caught.value)


def test_the_columns_are_those_that_were_promised() -> None:
    assert ", ".join(DEFAULT) == PROMISED.replace("\n", " ")
    assert {*CLEAR, *SEALED} == {*re.findall(r"\w+", PROMISED), *re.findall(r"\w+", FURTHER)}


def test_clear_columns_come_from_the_view() -> None:
    assert set(CLEAR.values()) <= {column.name for column in interaction_columns()}
    assert not set(CLEAR) & set(SEALED)


def test_columns_are_the_chosen_ones_in_their_order_else_the_default() -> None:
    assert chosen(("user", "id")) == ("user", "id")
    assert chosen(()) == DEFAULT


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("id", "sealed"), "no column 'sealed'"),
        (("occurred_at",), "no column 'occurred_at'"),
        (("x" * 1000,), f"no column '{'x' * 64}'"),
        (("id", "user", "id"), "named twice"),
        (("ID",), "no column 'ID'"),
    ],
)
def test_a_column_that_does_not_exist_is_refused_by_name(
    names: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        chosen(names)
