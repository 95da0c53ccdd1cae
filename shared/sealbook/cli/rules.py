"""`sealbook rules`: what is redacted and how, and own prices, as policies that ingest follows."""

import json
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import click

from sealbook.cli import show as out
from sealbook.cli.options import Door, asks, json_option
from sealbook.errors import InvalidInput

POLICIES = click.Choice(["redaction", "pricing"])
_COLUMNS = {
    "redaction": ("name", "enabled", "mode", "replacement", "validator", "built_in"),
    "pricing": ("model", "provider", "input", "output", "per", "currency", "effective_from"),
}
_FLAGS = {"enabled", "built_in"}
_YES_NO = {True: "yes", False: "no"}


@click.group("rules")
def rules() -> None:
    """What is redacted, and own prices."""


@rules.command("list")
@click.argument("name", type=POLICIES, default="redaction")
@json_option
@asks
async def list_rules(door: Door, name: str, as_json: bool) -> None:
    """List the rules in force. Those of `redaction`, or own prices with `pricing`.

    --json adds the policy's document, as `rules set` takes it.
    """
    reply = await door.ask("policy.list")
    policy = next(one for one in reply["policies"] if one["name"] == name)
    if as_json:
        out.as_json(policy)
        return
    title = f"{name}, version {policy['version']}, {_origin(policy)}"
    if not policy["rules"]:
        click.echo(f"{title}: no rules of your own.")
        return
    rows = [
        row | {flag: _YES_NO[row[flag]] for flag in _FLAGS & row.keys()} for row in policy["rules"]
    ]
    out.table(title, _COLUMNS[name], rows, right=("input", "output", "per"))
    if detectors := policy["document"].get("detectors"):
        click.echo(f"Detectors: {', '.join(detectors)}")


@rules.command("set")
@click.argument("name", type=POLICIES)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--expected-version", help="Only if this version is in force.")
@click.option("--dry-run", is_flag=True, help="Check the file, change nothing.")
@asks
async def set_rules(
    door: Door, name: str, file: Path, expected_version: str | None, dry_run: bool
) -> None:
    """Put a policy in force. It replaces the policy NAME as a whole.

    FILE is TOML, or JSON if it ends in .json.
    """
    reply = await door.ask(
        "policy.put",
        name=name,
        document=_document(file, name),
        expected_version=expected_version,
        dry_run=dry_run,
    )
    if dry_run:
        click.echo(f"{file} would be {name} version {reply['version']}; nothing was changed.")
        return
    click.echo(f"{name} version {reply['version']} is in force since position {reply['position']}.")


@rules.command("test")
@click.argument("text", metavar="TEXT|FILE")
@click.option(
    "--policy",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="By the policy in this file, without its detectors, not by the one in force.",
)
@json_option
@asks
async def test_rules(door: Door, text: str, policy: Path | None, as_json: bool) -> None:
    """Show what of a text is masked, and by which rule. Nothing is recorded.

    TEXT may be the name of a file, or - for standard input.
    """
    content = _content(text)
    body: dict[str, Any] = {"text": content}
    if policy is not None:
        body["document"] = _document(policy, "redaction")
    reply = await door.ask("policy.test", **body)
    if as_json:
        out.as_json({name: value for name, value in reply.items() if name != "ok"})
        return
    click.echo(reply["masked"])
    rows = [
        {
            "rule": one["rule"],
            "characters": f"{one['start']}–{one['end']}",
            "text": content[one["start"] : one["end"]],
            "becomes": one["by"],
        }
        for one in reply["findings"]
    ]
    title = f"{len(rows)} found, version {reply['version']}"
    out.table(title, ("rule", "characters", "text", "becomes"), rows, right=())
    if left_out := reply["detectors_left_out"]:
        click.echo(f"Not asked, as they are not in force: {', '.join(left_out)}.", err=True)


@rules.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what would be imported, change nothing.")
@json_option
@asks
async def import_rules(door: Door, file: Path, dry_run: bool, as_json: bool) -> None:
    """Add the rules of a gitleaks file. They go to the redaction policy in force.

    FILE is a configuration of gitleaks v8; what is not taken over of it is told.
    """
    reply = await door.ask("policy.import", gitleaks=_text(file), dry_run=dry_run)
    if as_json:
        out.as_json({name: value for name, value in reply.items() if name != "ok"})
        return
    for one in reply["refused"]:
        click.echo(f"not taken over: {one['name']}: {one['reason']}", err=True)
    done = "would be added" if dry_run else "added"
    click.echo(f"{len(reply['imported'])} rules {done}; redaction version {reply['version']}.")


def _origin(policy: dict[str, Any]) -> str:
    if not policy["position"]:
        return "built in"
    return f"by {policy['actor']} at {out.moment(policy['changed_at'])}"


def _document(file: Path, name: str) -> Any:
    """The policy in a file. A price goes as text: it stays the decimal that is written there."""
    text = _text(file)
    try:
        if file.suffix == ".json":
            return json.loads(text)
        return _plain(tomllib.loads(text, parse_float=str if name == "pricing" else float))
    except ValueError as error:
        raise InvalidInput(
            f"{file} is neither TOML nor JSON: {error}.",
            remedy="docs/redaction.md and docs/pricing.md show a policy of each kind.",
        ) from None


def _plain(value: Any) -> Any:
    """TOML's dates as JSON has them: as text."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


def _content(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    path = Path(text)
    try:
        return _text(path) if path.is_file() else text
    except OSError:  # too long for a name of a file: then it is none
        return text


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except UnicodeDecodeError:
        raise InvalidInput(
            f"{file} is not UTF-8 text.", remedy="Save it as UTF-8 and try again."
        ) from None
