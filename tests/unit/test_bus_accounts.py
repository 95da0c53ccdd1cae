"""The bus's accounts as rendered: a configuration the server takes, and what leads across."""

import json
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from permitted import AUDIT_CALLS, EVERYONE, overlap

from sealbook.embedded.binaries import program
from sealbook.provision.permissions import AUDIT_API_PREFIX, PROVISIONER, SERVICES, BusUser, render


def accounts(users: Sequence[BusUser] = EVERYONE) -> dict[str, str]:
    """What is rendered, account by account."""
    rendered = render([(user, "p") for user in users])
    assert rendered.startswith("accounts {\n")
    assert rendered.endswith("  }\n}\n")
    _, *parts = re.split(r"^  (\w+) \{$", rendered, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def listed(account: str, direction: str) -> list[str]:
    """The lines of an account's `exports`, `imports` or `users`; none when it has no such list."""
    found = re.search(rf"^    {direction}: \[\n(.*?)\n    \]$", account, re.MULTILINE | re.DOTALL)
    return [line.strip().removesuffix(",") for line in found[1].splitlines()] if found else []


def test_who_serves_who_uses_and_who_audits_have_an_account_each() -> None:
    everyone = accounts()
    assert list(everyone) == ["SEALBOOK", "CLIENTS", "AUDITORS"]
    members = {
        name: set(re.findall(r'user: "([^"]+)"', account)) for name, account in everyone.items()
    }
    assert members == {
        "SEALBOOK": {"provisioner", "ingest", "review", "rollup", "export"},
        "CLIENTS": {"recorder", "alice", "bob"},
        "AUDITORS": {"auditor"},
    }
    assert sum(len(listed(account, "users")) for account in everyone.values()) == len(EVERYONE)


def test_only_the_account_of_the_services_has_streams() -> None:
    everyone = accounts()
    assert "    jetstream: enabled\n" in everyone["SEALBOOK"]
    for name in ("CLIENTS", "AUDITORS"):
        # A `jetstream` here would give it streams of its own, and a `$JS.API` that knows them.
        assert "jetstream" not in everyone[name]
    # One way only: nothing of theirs leads back, and nothing from elsewhere leads in.
    assert listed(everyone["SEALBOOK"], "imports") == []
    assert listed(everyone["CLIENTS"], "exports") == []
    assert listed(everyone["AUDITORS"], "exports") == []


def test_only_submissions_jobs_commands_and_notices_lead_to_clients() -> None:
    everyone = accounts()
    crossing = {
        ("service", "sealbook.submit.*"),
        ("service", "sealbook.job.export.*"),
        ("service", "sealbook.command.>"),
        ("stream", "sealbook.notice.>"),
    }
    assert set(listed(everyone["CLIENTS"], "imports")) == {
        f'{{ {kind}: {{ account: SEALBOOK, subject: "{subject}" }} }}' for kind, subject in crossing
    }
    exported = listed(everyone["SEALBOOK"], "exports")
    # Commands may have more than one answer; the others one or none.
    assert set(exported[: len(crossing)]) == {
        '{ service: "sealbook.submit.*" }',
        '{ service: "sealbook.job.export.*" }',
        '{ service: "sealbook.command.>", response_type: stream }',
        '{ stream: "sealbook.notice.>" }',
    }
    assert len(exported) == len(crossing) + len(AUDIT_CALLS)


def test_only_reading_the_log_leads_to_auditors_and_to_nobody_else() -> None:
    everyone = accounts()
    exported = listed(everyone["SEALBOOK"], "exports")
    audit = [line for line in exported if "$" in line]
    # Without `accounts` any account could import them; one pull has many answers.
    assert audit == [
        f'{{ service: "$JS.API.{call}", response_type: stream, accounts: [AUDITORS] }}'
        for call in AUDIT_CALLS
    ]
    assert [line for line in exported if "accounts" in line] == audit
    assert listed(everyone["AUDITORS"], "imports") == [
        f'{{ service: {{ account: SEALBOOK, subject: "$JS.API.{call}" }},'
        f' to: "$JS.SEALBOOK.API.{call}" }}'
        for call in AUDIT_CALLS
    ]
    assert "$" not in everyone["CLIENTS"]


def test_without_auditors_and_actors_the_accounts_are_the_same() -> None:
    for name, account in accounts([PROVISIONER, *SERVICES]).items():
        for direction in ("exports", "imports"):
            assert listed(account, direction) == listed(accounts()[name], direction)


def test_auditors_ask_by_a_prefix_that_is_not_jetstreams_own() -> None:
    assert AUDIT_API_PREFIX == "$JS.SEALBOOK.API"
    assert not overlap(f"{AUDIT_API_PREFIX}.>", "$JS.API.>")


@pytest.mark.parametrize(
    "password", ["pässword", 'with "quotes" and \\', "$SYS", "123", "a b#c;{}"]
)
def test_the_server_takes_the_configuration(tmp_path: Path, password: str) -> None:
    config = tmp_path / "nats.conf"
    config.write_text("port: -1\n" + render([(user, password) for user in EVERYONE]))
    done = subprocess.run(
        [program("nats-server"), "-t", "-c", config],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is valid" in done.stderr + done.stdout


def test_every_user_is_rendered_with_its_own_inbox_and_nothing_it_was_not_given() -> None:
    rendered = render([(user, f"password of {user.name}") for user in EVERYONE])
    assert "allow_responses" not in rendered
    assert rendered.count("user: ") == len(EVERYONE)
    for user in EVERYONE:
        block = rendered.partition(f'user: "{user.name}"')[2].partition("user:")[0]
        assert f'"password of {user.name}"' in block
        permissions = re.search(r"publish: (\[.*?\]), subscribe: (\[.*?\]) } }", block)
        assert permissions is not None
        assert json.loads(permissions[1]) == list(user.publish)
        assert json.loads(permissions[2]) == [*user.subscribe, f"_INBOX.{user.name}.>"]
