"""The command line as people and scripts use it: processes, exit codes, what is on which stream."""

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from running import Cli, Done, recorded, shows
from sending import CALL

from sealbook.cli.stack import SERVICES
from sealbook.contract.ids import new_id


async def test_a_file_recorded_twice_counts_once(cli: Cli, file: Path, project: str) -> None:
    first = await cli("record", str(file), "--project", project, "--json")
    assert (first.code, first.err) == (0, "")
    assert first.json == {"submitted": 5, "acknowledged": 5, "refused": []}
    second = await cli("record", str(file), "--project", project)
    assert second.code == 0
    assert second.out == "5 recorded, 0 refused.\n"
    await cli.until(shows(5), "list", "--project", project, "--json")
    rows = (await cli("rollup", "--by", "project", "--json")).json
    assert [row["calls"] for row in rows if row["project"] == project] == [5]


async def test_standard_input_is_recorded(cli: Cli, project: str) -> None:
    lines = [json.dumps(CALL)] * 5
    done = await cli("record", "-", "--project", project, stdin="\n".join(lines))
    assert (done.code, done.out) == (0, "5 recorded, 0 refused.\n")
    await cli.until(shows(5), "list", "--project", project, "--json")


async def test_lines_that_do_not_fit_are_named_and_the_others_recorded(
    cli: Cli, project: str
) -> None:
    lines = ["{", "[]", json.dumps({**CALL, "colour": 1}), json.dumps(CALL)]
    done = await cli("record", "-", "--project", project, stdin="\n".join(lines))
    assert (done.code, done.out) == (1, "1 recorded, 3 refused.\n")
    for number, named in ((1, "valid JSON"), (2, "not an object"), (3, "`colour`: unknown field")):
        assert re.search(rf"^line {number}: .*{named}", done.err, re.M)
    await cli.until(shows(1), "list", "--project", project, "--json")


async def test_list_show_and_audit_tell_what_was_recorded(
    cli: Cli, file: Path, project: str
) -> None:
    rows = await recorded(cli, file, project)
    one = rows[0]
    listed = await cli("list", "--project", project, "--session-id", "s-3")
    assert (listed.code, listed.err) == (0, "")
    assert "s-3" in str([row["session_id"] for row in rows])
    assert "gpt-4o-mini" in listed.out
    shown = await cli("show", one["id"])
    assert shown.json["id"] == one["id"]
    assert "request" not in shown.json
    opened = (await cli("show", one["id"], "--payload")).json["interaction"]
    assert opened["request"]["messages"][0]["content"] == "Write to [EMAIL], please."
    trail = await cli.until(
        lambda done: done.json["audit"], "audit", "--interaction", one["id"], "--json"
    )
    assert [line["action"] for line in trail.json["audit"]] == ["interaction.opened"]
    table = await cli("audit", "--interaction", one["id"])
    assert "interaction.opened" in table.out


async def test_reviews_are_made_and_conflicts_told(cli: Cli, file: Path, project: str) -> None:
    first, second, *_ = [row["id"] for row in await recorded(cli, file, project)]
    done = await cli(
        *("review", first, "--state", "approved", "--comment", "Fine.", "--expected-version", "0")
    )
    assert (done.code, done.out) == (0, "1 approved.\n")
    stale = await cli("review", first, "--state", "flagged", "--expected-version", "0")
    assert stale.code == 1
    assert stale.err.startswith(f"sealbook: Interaction {first} is at review version 1")
    both = await cli("review", first, second, str(new_id()), "--state", "rejected", "--json")
    assert both.code == 1
    assert both.json["reviewed"] == 2
    await cli.until(shows(2), "list", "--project", project, "--review-state", "rejected", "--json")


async def test_rollup_shows_sums_as_a_table_and_as_json(cli: Cli, file: Path, project: str) -> None:
    await recorded(cli, file, project)

    def mine(done: Done) -> list[dict[str, Any]]:
        return [row for row in done.json if row["project"] == project and row["calls"] == 5]

    done = await cli.until(mine, "rollup", "--by", "project,model", "--json")
    [row] = mine(done)
    assert (row["model"], row["input_tokens"]) == ("gpt-4o-mini", 5000)
    table = await cli("rollup", "--by", "project")
    assert project in table.out
    assert (await cli("rollup", "--from", "2001-01-01", "--to", "2001-01-02", "--json")).json == []


async def test_exports_are_requested_listed_and_downloaded(
    cli: Cli, file: Path, project: str
) -> None:
    await recorded(cli, file, project)
    asked = await cli("export", "request", "--format", "csv", "--project", project)
    assert asked.code == 0
    job_id, told = asked.out.splitlines()
    assert re.fullmatch(r"[0-9a-f]{32}", job_id)
    assert told.startswith("5 rows, ")
    got = await cli("export", "download", job_id, "--output", "mine.csv")
    assert got.out.startswith("mine.csv: 5 rows, ")
    assert got.out.endswith(", SHA-256 verified\n")
    content = (cli.folder / "mine.csv").read_bytes()
    row = (await cli("export", "show", job_id)).json
    assert hashlib.sha256(content).hexdigest() == row["sha256"]
    assert len(list(csv.reader(content.decode().splitlines()))) == 6
    listed = (await cli("export", "list", "--json")).json["exports"]
    assert job_id in {one["job_id"] for one in listed}
    assert job_id in (await cli("export", "list", "--limit", "1000")).out
    ended = await cli("export", "cancel", job_id)
    assert ended.code == 1
    assert "has ended already (export.completed)" in ended.err
    ndjson = await cli(
        *("export", "request", "--format", "jsonl", "--project", project, "--json"),
        *("--columns", "id,model", "--limit", "2"),
    )
    assert (ndjson.json["rows"], ndjson.json["truncated"]) == (2, True)
    await cli("export", "download", ndjson.json["job_id"])
    lines = (cli.folder / "sealbook-interactions.ndjson").read_text().splitlines()
    assert [set(json.loads(line)) for line in lines] == [{"id", "model"}] * 2


async def test_rebuild_compares_and_swaps(cli: Cli) -> None:
    for name in ("review", "rollup", "export"):
        told = await cli("rebuild", name)
        assert told.code == 0
        assert "equal to what was live" in told.out
    assert (await cli("rebuild", "rollup", "--json")).json["equal"] is True


async def test_status_tells_of_every_service(cli: Cli) -> None:
    done = await cli("status", "--json")
    assert [one["service"] for one in done.json] == sorted(SERVICES)
    table = await cli("status")
    assert all(name in table.out for name in SERVICES)


async def test_quarantine_is_listed_and_retried(cli: Cli, project: str) -> None:
    # The recorder looks at fields, not at whether the provider is told.
    line = json.dumps({"model": "m", "request": "nobody said whose"})
    assert (await cli("record", "-", "--project", project, stdin=line)).code == 0

    def mine(done: Done) -> list[dict[str, Any]]:
        return [entry for entry in done.json["entries"] if entry["project"] == project]

    done = await cli.until(mine, "quarantine", "list", "--limit", "1000", "--json")
    [entry] = mine(done)
    assert entry["reason"] == "incomplete"
    assert done.json["counts"]["incomplete"] >= 1
    retried = await cli("quarantine", "retry", str(entry["id"]))
    assert retried.code == 0
    assert retried.out.startswith("1 ")
    assert (await cli("quarantine", "list")).code == 0


@pytest.mark.parametrize(
    ("words", "actor", "code", "named"),
    [
        (["list"], "nobody", 1, "The password of 'nobody' cannot be read"),
        (["show", str(new_id())], None, 1, "There is no interaction"),
        (["status"], "reader", 1, "'reader' may not do 'status'"),
        (["audit"], "reviewer", 1, "'reviewer' may not do 'audit.list'"),
        (["show", "not-an-id"], None, 2, "`id`"),
        (["list", "--limit", "0"], None, 2, "`limit`"),
        (["list", "--from", "yesterday"], None, 2, "`filter.from`"),
        (["list", "--user", "u"], None, 2, "needs `project`"),
        (["list", "--nonsense"], None, 2, "No such option"),
        (["review", str(new_id())], None, 2, "--state"),
        (["export", "request", "--format", "pdf"], None, 2, "`format`"),
        (["export", "request", "--columns", "nonsense"], None, 2, "There is no column 'nonsense'"),
        (["rebuild", "nonsense"], None, 2, "'nonsense' is not one of"),
        (["record", "no-such-file", "--project", "p"], None, 2, "does not exist"),
        (["nonsense"], None, 2, "No such command"),
    ],
)
async def test_what_is_refused_is_told_on_stderr_with_exit_code_1_and_wrong_usage_with_2(
    cli: Cli, words: list[str], actor: str | None, code: int, named: str
) -> None:
    done = await cli(*words, actor=actor)
    assert done.code == code, done
    assert named in done.err
    assert done.out == ""
    assert "Traceback" not in done.err


async def test_without_a_sealbook_in_the_folder_commands_say_how_to_start_one(
    tmp_path: Path,
) -> None:
    done = await Cli(tmp_path / "none", tmp_path)("list")
    assert done.code == 1
    assert done.err.startswith(f"sealbook: There is no Sealbook in {tmp_path}/none. Start one")
