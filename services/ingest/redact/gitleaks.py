"""Rules of a gitleaks v8 configuration as entries of our policy document. Pure.

Its expressions are Go's, which is RE2's syntax. What is not taken over is named with the reason:
a rule that is refused, and what spares a secret there (allowlists, paths), as masking more is
the safe side.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sealbook.contract.documents import JsonValue
from sealbook.errors import InvalidInput
from services.ingest.redact.policy import check_addition

Entry = dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Refused:
    """What of the file is not in effect, by the rule's id, and why."""

    name: str
    reason: str


def gitleaks_rules(toml_text: str) -> tuple[list[Entry], list[Refused]]:
    """Entries for `rules` of a redaction policy, and all that was not taken over.

    Raises InvalidInput when the text is no TOML with `[[rules]]`.
    """
    configuration = _parsed(toml_text)
    refused = list(_global_remarks(configuration))
    entries: dict[str, Entry] = {}
    for number, rule in enumerate(configuration["rules"], start=1):
        name = str(rule.get("id") or f"number {number}")
        try:
            entry = _entry(rule, taken=entries)
        except (InvalidInput, ValueError) as error:
            refused.append(Refused(name, getattr(error, "message", str(error))))
            continue
        entries[str(entry["name"])] = entry
        refused += [Refused(name, remark) for remark in _remarks(rule)]
    return list(entries.values()), refused


def _parsed(toml_text: str) -> dict[str, Any]:
    try:
        configuration = tomllib.loads(toml_text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(
            f"The gitleaks configuration is not valid TOML: {error}.",
            remedy="Send the file as gitleaks reads it.",
        ) from None
    rules = configuration.get("rules")
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        raise InvalidInput(
            "The gitleaks configuration has no `[[rules]]`.",
            remedy="Send a gitleaks v8 configuration that has rules of its own.",
        )
    return configuration


def _entry(rule: dict[str, Any], taken: dict[str, Entry]) -> Entry:
    """One rule as an entry that compiles. Raises ValueError or InvalidInput saying why not."""
    if not isinstance(rule.get("id"), str):
        raise ValueError("The rule has no `id`.")
    if not isinstance(rule.get("regex"), str):
        raise ValueError("The rule has no `regex`; file names are not looked at.")
    plain = re.sub("[^a-z0-9]+", "_", rule["id"].lower()).strip("_")
    entry: Entry = {
        "name": _free(f"gitleaks_{plain}", taken),
        "pattern": rule["regex"],
        "replacement": f"[{re.sub('^[^A-Z]+', '', plain.upper())[:62] or 'SECRET'}]",
    }
    if rule.get("keywords"):
        entry["keywords"] = rule["keywords"]
    if rule.get("entropy"):
        entry["min_entropy"] = rule["entropy"]
    if rule.get("secretGroup"):
        entry["group"] = rule["secretGroup"]
    check_addition(entry)
    return entry


def _free(name: str, taken: dict[str, Entry]) -> str:
    number, free = 2, name[:64]
    while free in taken:
        free, number = f"{name[:60]}_{number}", number + 1
    return free


def _remarks(rule: dict[str, Any]) -> Iterator[str]:
    if rule.get("allowlists") or rule.get("allowlist"):
        yield "Its allowlist is not applied: what it would spare is masked."
    if rule.get("path"):
        yield "Its `path` is not applied: it masks wherever its `regex` matches."
    if rule.get("required"):
        yield "Its `required` rules are not applied: it masks without them."


def _global_remarks(configuration: dict[str, Any]) -> Iterator[Refused]:
    if configuration.get("allowlists") or configuration.get("allowlist"):
        yield Refused("allowlist", "It is not applied: what it would spare is masked.")
    if configuration.get("extend"):
        yield Refused("extend", "It is not followed: import the other configuration as well.")
