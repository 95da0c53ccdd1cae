"""Hostile bodies on the real bus: recorded exactly, or quarantined; nothing blocks the next."""

import base64
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from exporting import exported_rows
from hostile import Superuser, assert_next_is_recorded, assert_nothing_lost
from nats.aio.client import Client
from nats.errors import MaxPayloadError
from seen import held, interactions, quarantined, recorded
from sending import CALL, send, send_all

from sealbook import Recorder
from sealbook.cli.connection import Door
from services.ingest.redact import Redactor, builtin_rules

REDACTOR = Redactor(builtin_rules())
DATA = Path(__file__).parents[3] / "shared" / "data" / "json"


def json_cases() -> list[dict[str, str]]:
    path = DATA / "jsontestsuite" / "cases.jsonl"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return [json.loads(line) for line in path.read_text().splitlines()]


def exact(document: object) -> str:
    """Tells 1 from 1.0 and from true, and 0.0 from -0.0, which `==` does not."""
    return repr(document)


def as_recorded(document: Any) -> str:
    """What is sealed of a document: all of it but what a rule masks."""
    return exact(REDACTOR.scan(document).document)


def body_of(case: dict[str, str]) -> bytes:
    return base64.b64decode(case["body_base64"])


def naughty_strings() -> list[str]:
    path = DATA / "naughty" / "blns.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    strings: list[str] = json.loads(path.read_text())
    return strings


async def test_every_case_of_the_json_test_suite_as_a_whole_body_is_quarantined(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    bodies = [body_of(case) for case in json_cases()]
    sent = await send_all(submitter, project, bodies)
    assert await assert_nothing_lost(admin, superuser, project, sent) == (0, sent)
    reasons = Counter(row["reason"] for row in await quarantined(superuser, project))
    assert set(reasons) == {"malformed_json", "invalid_submission", "incomplete"}
    await assert_next_is_recorded(submitter, admin, project)


async def test_every_case_of_the_json_test_suite_as_a_payload_is_recorded_exactly_or_quarantined(
    submitter: Client, admin: Door, superuser: Superuser, exporter: Door, project: str
) -> None:
    cases = {f"case-{number}": case for number, case in enumerate(json_cases())}
    bodies = [
        b'{"provider":"none","model":"none","session_id":"%b","request":%b}'
        % (session.encode(), body_of(case))
        for session, case in cases.items()
    ]
    sent = await send_all(submitter, project, bodies)
    await assert_nothing_lost(admin, superuser, project, sent)
    reasons = {row["reason"] for row in await quarantined(superuser, project)}
    assert reasons == {"malformed_json"}
    rows = await exported_rows(exporter, project, columns=["session_id", "request_payload"])
    shown = {row["session_id"]: row["request_payload"] for row in rows}
    verdicts = {session: case["verdict"] for session, case in cases.items()}
    assert {session for session, verdict in verdicts.items() if verdict == "accept"} <= set(shown)
    assert not {session for session, verdict in verdicts.items() if verdict == "reject"} & set(
        shown
    )
    for session, payload in shown.items():
        assert exact(payload) == as_recorded(json.loads(body_of(cases[session]))), cases[session]
    await assert_next_is_recorded(submitter, admin, project)


async def test_naughty_strings_in_every_field_are_recorded_exactly(
    submitter: Client, admin: Door, superuser: Superuser, exporter: Door, project: str
) -> None:
    strings = naughty_strings()
    bodies = [
        {
            "provider": text or "p",
            "model": text or "m",
            "request": {"prompt": text, text: 1},
            "response": [text],
            "metadata": {"note": text},
            "user": text,
            "tags": [text],
            "agent": text,
            "error_message": text,
            "session_id": f"naughty-{number}",
        }
        for number, text in enumerate(strings)
    ]
    sent = await send_all(submitter, project, bodies)
    await assert_nothing_lost(admin, superuser, project, sent)
    assert await quarantined(superuser, project) == []
    names = ["session_id", "request_payload", "response_payload", "metadata", "tags"]
    rows = await exported_rows(exporter, project, columns=names)
    assert len(rows) == sent
    for row in rows:
        text = strings[int(row["session_id"].removeprefix("naughty-"))]
        assert exact(row["request_payload"]) == as_recorded({"prompt": text, text: 1})
        assert exact(row["response_payload"]) == as_recorded([text])
        assert exact(row["metadata"]) == as_recorded({"note": text})
        assert row["tags"] == [REDACTOR.text(text)[0][:256]]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b'{"provider": "p", "model": "m"} x', "malformed_json"),
        (b'\xff\xfe{"provider": "p"}', "malformed_json"),
        (b'{"provider":"p","model":"m","request":"\\ud800"}', "malformed_json"),
        (b'{"provider":"p","model":"m","request":1e400}', "malformed_json"),
        (b'{"provider":"p","model":"m","request":NaN}', "malformed_json"),
        (
            b'{"provider":"p","model":"m","request":' + b"[" * 65 + b"]" * 65 + b"}",
            "malformed_json",
        ),
        (b"[]", "invalid_submission"),
        (b"null", "invalid_submission"),
        (b'"text"', "invalid_submission"),
        (b'{"provider":"p","model":"m","surprise":1}', "invalid_submission"),
        (b'{"provider":"p","model":"m","input_tokens":"7"}', "invalid_submission"),
        (b'{"provider":"p","model":"m","input_tokens":-1}', "invalid_submission"),
        (b'{"provider":"p","model":"m","input_tokens":1.5}', "invalid_submission"),
        (b'{"provider":"p","model":"m","tags":"one"}', "invalid_submission"),
        (b'{"provider":"p","model":"m","cost":"NaN"}', "invalid_submission"),
        (b'{"provider":"p","model":"m","status":"fine"}', "invalid_submission"),
        (b'{"provider":"p","model":"m","id":"7"}', "invalid_submission"),
        (b'{"provider":"p","model":"m","project":"another"}', "invalid_submission"),
        (b'{"provider":"p","model":"m","occurred_at":"yesterday"}', "invalid_submission"),
        (b"{}", "incomplete"),
        (b'{"provider":"p"}', "incomplete"),
    ],
)
async def test_what_does_not_fit_is_quarantined_with_its_reason_and_the_next_goes_on(
    submitter: Client,
    admin: Door,
    superuser: Superuser,
    project: str,
    body: bytes,
    reason: str,
) -> None:
    await send(submitter, project, body)
    [row] = await held(superuser, project, 1)
    assert (row["reason"], row["size_bytes"]) == (reason, len(body))
    await assert_next_is_recorded(submitter, admin, project)
    assert len(await interactions(admin, project)) == 1


async def test_depth_64_of_a_whole_submission_is_recorded(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    deep = b"[" * 62 + b"]" * 62
    await send(submitter, project, b'{"provider":"p","model":"m","request":' + deep + b"}")
    assert await assert_nothing_lost(admin, superuser, project, 1) == (1, 0)


async def test_integers_beyond_64_bits_are_kept_exact(
    submitter: Client, admin: Door, exporter: Door, project: str
) -> None:
    number = 2**200 + 1
    await send(submitter, project, {"provider": "p", "model": "m", "request": {"n": [number]}})
    await recorded(admin, project, 1)
    [row] = await exported_rows(exporter, project, columns=["request_payload", "redactions"])
    if not row["redactions"]:
        assert row["request_payload"] == {"n": [number]}


async def test_integers_of_thousands_of_digits_are_recorded_up_to_the_parsers_limit(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    for digits in (4_000, 4_400, 20_000):
        body = b'{"provider":"p","model":"m","request":' + b"1" * digits + b"}"
        await send(submitter, project, body)
    assert await assert_nothing_lost(admin, superuser, project, 3) == (1, 2)
    await assert_next_is_recorded(submitter, admin, project)


async def test_nul_characters_are_replaced_in_clear_fields_and_flagged(
    submitter: Client, admin: Door, exporter: Door, project: str
) -> None:
    text = "a\0b"
    await send(submitter, project, {**CALL, "tags": [text], "agent": text, "request": text})
    [row] = await recorded(admin, project, 1)
    assert row["tags"] == ["a\N{REPLACEMENT CHARACTER}b"]
    assert "nul_replaced" in row["flags"]
    [shown] = await exported_rows(exporter, project, columns=["request_payload"])
    assert shown["request_payload"] == text


@pytest.mark.parametrize("name", ["bad$name", "x" * 65, "käse", "100%", "a:b", "{}"])
async def test_a_bad_project_name_in_the_subject_is_quarantined_without_a_project(
    submitter: Client, admin: Door, superuser: Superuser, project: str, name: str
) -> None:
    before = len(await quarantined(superuser, None))
    await send(submitter, name, CALL)
    rows = await held(superuser, None, before + 1)
    assert [row["reason"] for row in rows[before:]] == ["bad_project"]
    await assert_next_is_recorded(submitter, admin, project)


async def test_a_body_over_the_limit_is_refused_to_a_plain_client(
    submitter: Client, project: str
) -> None:
    with pytest.raises(MaxPayloadError):
        await submitter.publish(f"sealbook.submit.{project}", b"x" * (submitter.max_payload + 1))


async def test_a_submission_over_the_limit_gets_a_receipt_that_says_so(
    recorder: Recorder, admin: Door, project: str
) -> None:
    receipt = await recorder.record(**{**CALL, "request": "x" * 9_000_000})
    assert not receipt.ok
    assert "over the bus's limit" in str(receipt.error)
    assert (await recorder.record(**CALL)).ok
    await recorded(admin, project, 1)


async def test_a_payload_over_the_limit_of_a_message_is_recorded_all_the_same(
    submitter: Client, admin: Door, superuser: Superuser, project: str
) -> None:
    """Random text hardly compresses, and base64 would make a third more of it in the log."""
    noise = base64.b85encode(os.urandom(6_600_000)).decode()
    await send(submitter, project, {"provider": "p", "model": "m", "request": noise})
    await assert_next_is_recorded(submitter, admin, project)
    assert await assert_nothing_lost(admin, superuser, project, 2) == (2, 0)
