"""What an application says in confidence is nowhere in plaintext: a canary in every free field,
and the search for it in every byte on disk, in logs, in metrics, in quarantine, in PostgreSQL."""

import asyncio
import base64
import secrets
import shutil
import urllib.request
from pathlib import Path
from typing import Any

import psycopg
from claiming import words
from exporting import exported
from nats.aio.client import Client
from seen import held, recorded, rolled_up
from sending import send

from sealbook import Recorder
from sealbook.cli import canary
from sealbook.cli.connection import Door
from sealbook.cli.stack import Stack
from sealbook.runtime.objects import Bucket, client
from sealbook.runtime.settings import Settings

Superuser = psycopg.AsyncConnection[Any]


def confidential(word: str) -> dict[str, Any]:
    """A submission with the word in every field that is not there to be filtered or summed."""
    return {
        "provider": "openai",
        "model": "gpt-4o-mini",
        "request": {"messages": [{"role": "user", "content": f"{word} asked"}], word: word},
        "response": {"choices": [{"message": {"role": "assistant", "content": f"{word} said"}}]},
        "request_text": f"{word} as text",
        "response_text": f"{word} as text",
        "error_message": f"failed near {word}",
        "metadata": {"note": word, word: 1, "deep": [{"er": word}]},
        "user": f"{word}-user",
    }


def forms(word: str) -> list[bytes]:
    """The word as it might lie around: as it is, in UTF-16, in hex, in base64 at each offset."""
    plain = word.encode()
    inside = [base64.b64encode(b"\0" * shift + plain)[4:-4] for shift in range(3)]
    return [plain, word.encode("utf-16-le"), plain.hex().encode(), *inside]


async def everything_on_disk(stack: Stack, folder: Path) -> list[Path]:
    """The folders to search; with containers, their data as well."""
    if not hasattr(stack.servers, "copy_data"):
        return [stack.data]
    await stack.servers.copy_data(folder)
    return [stack.data, folder]


async def tables(superuser: Superuser) -> list[tuple[str, str]]:
    found = await superuser.execute(
        "SELECT table_schema, table_name FROM information_schema.tables "
        "WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog')"
    )
    return [(schema, name) for schema, name in await found.fetchall()]


async def test_a_canary_in_every_free_field_is_nowhere_in_plaintext(
    stack: Stack,
    recorder: Recorder,
    submitter: Client,
    admin: Door,
    reviewer: Door,
    exporter: Door,
    superuser: Superuser,
    project: str,
    tmp_path: Path,
) -> None:
    word = f"canary{secrets.token_hex(12)}"
    assert (await recorder.record(**confidential(word))).ok
    await send(submitter, project, confidential(word))
    await send(
        submitter, project, {**confidential(word), "request": {word: f"{word} {words(200_000)}"}}
    )
    await send(submitter, project, f'{{"provider": "{word}", "request": '.encode())
    await send(submitter, project, {**confidential(word), word: word})
    await send(submitter, project, {"request": word})
    await send(submitter, f"{word[:20]}$", {"request": word})
    rows = await recorded(admin, project, 3)
    await held(superuser, project, 3)
    await rolled_up(admin, project, 3)

    comment = f"{word} in a comment"
    await reviewer.ask("review", ids=[rows[0]["id"]], state="flagged", comment=comment)
    opened = await reviewer.ask("interaction.open", id=rows[0]["id"])
    asked = {"project": project, "user": f"{word}-user"}
    columns = ["request_payload", "response_payload", "metadata", "user", "error_message"]
    job, content = await exported(exporter, format="csv", filter=asked, columns=columns)
    listed = await admin.ask("interaction.list", filter=asked)
    quarantined = await admin.ask("quarantine.list", limit=1000)
    # It went all the way: only so does finding it nowhere mean something.
    assert str(opened).count(word) > 10
    assert opened["reviews"][0]["comment"] == comment
    assert job["rows"] == 3
    assert content.count(word.encode()) > 10
    assert len(listed["interactions"]) == 3

    assert word not in str(listed) + str(rows) + str(quarantined)
    for service, port in stack.ports.items():
        assert word not in await asyncio.to_thread(metrics, port), service
    for schema, table in await tables(superuser):
        found = await superuser.execute(
            f'SELECT count(*) FROM "{schema}"."{table}" AS t WHERE t::text LIKE %s',  # type: ignore[arg-type]
            [f"%{word}%"],
        )
        assert await found.fetchone() == (0,), f"{schema}.{table}"
    payloads = await asyncio.to_thread(objects_of, stack)
    assert payloads
    for form in forms(word):
        assert not any(form in content for content in payloads)
    await superuser.execute("CHECKPOINT")
    for folder in await everything_on_disk(stack, tmp_path):
        for form in forms(word):
            where, searched = await asyncio.to_thread(canary.search, folder, form)
            assert where == []
            assert searched > 2**20


async def test_the_search_finds_what_is_there(stack: Stack, tmp_path: Path) -> None:
    """The control: the same search does find a word that lies around in any of its forms."""
    word = f"canary{secrets.token_hex(12)}"
    for number, form in enumerate(forms(word)):
        (tmp_path / "one").write_bytes(b"x" * number + form + b"y")
        assert (await asyncio.to_thread(canary.search, tmp_path, form))[0]
    shutil.rmtree(tmp_path)


def objects_of(stack: Stack) -> list[bytes]:
    """All sealed payloads in S3. Exported files lie beside them: they are what was asked for."""
    s3 = client(Settings.load(stack.secrets.folder / "export"))
    names = [stored.key for stored in Bucket(s3, "sealbook").listing("payloads/")]
    return [s3.get_object("sealbook", name).data for name in names]


def metrics(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())
