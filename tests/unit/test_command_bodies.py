"""Bodies of commands: numbers every server can hold, names that are names, nothing quoted."""

from typing import Any

import pytest

from sealbook.contract.commands import (
    Command,
    ExportRequest,
    ListAudit,
    ListExports,
    ListInteractions,
    QuarantineQuery,
    Rebuild,
)
from sealbook.contract.documents import compact
from sealbook.errors import InvalidInput

CANARY = "canary-7f3a"
MOST = 2**53

POSITIONS: list[tuple[type[Command], str, int]] = [
    (ListInteractions, "before", 1),
    (ListAudit, "before", 1),
    (ListExports, "before", 1),
    (ExportRequest, "limit", 1),
    (ExportRequest, "as_of", 0),
]
PAGES: list[type[Command]] = [ListInteractions, ListAudit, ListExports, QuarantineQuery]


def read(body: type[Command], **fields: Any) -> Any:
    return body.read(compact(fields))


def refusal(body: type[Command], **fields: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(body, **fields)
    assert CANARY not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("body", "field", "least"), POSITIONS)
def test_a_position_is_a_number_that_every_reader_can_hold(
    body: type[Command], field: str, least: int
) -> None:
    for number in (least, MOST):
        assert getattr(read(body, **{field: number}), field) == number
    for number in (least - 1, MOST + 1, 2**63, 10**40, 1.5, CANARY):
        assert f"`{field}`" in refusal(body, **{field: number})


@pytest.mark.parametrize("body", PAGES)
def test_a_page_has_a_thousand_rows_at_most(body: type[Command]) -> None:
    assert [read(body, limit=number).limit for number in (1, 1000)] == [1, 1000]
    for number in (0, -1, 1001, 2**63):
        assert "`limit`" in refusal(body, limit=number)


def test_ids_of_the_quarantine_are_positions() -> None:
    assert read(QuarantineQuery, ids=[1, MOST]).ids == (1, MOST)
    for number in (0, -1, MOST + 1, 2**63, CANARY):
        assert "`ids.1`" in refusal(QuarantineQuery, ids=[1, number])


@pytest.mark.parametrize("name", ["review", "rollup", "export"])
def test_a_projection_is_one_of_those_there_are(name: str) -> None:
    assert read(Rebuild, projection=name).projection == name


@pytest.mark.parametrize("name", ["ingest", "Review", "", "review; DROP SCHEMA", CANARY, None, 7])
def test_another_projection_is_refused(name: Any) -> None:
    assert "`projection`" in refusal(Rebuild, projection=name)


@pytest.mark.parametrize("name", ["a", "A-z_09", "x" * 64])
def test_the_actor_of_an_audit_is_a_name(name: str) -> None:
    assert read(ListAudit, actor=name).actor == name


@pytest.mark.parametrize(
    "name", ["", "a.b", "*", f"{CANARY} b", f"{CANARY}\n", f"{CANARY}\0", "x" * 65, "é", 7]
)
def test_what_is_no_name_is_no_actor_of_an_audit(name: Any) -> None:
    assert "`actor`" in refusal(ListAudit, actor=name)
