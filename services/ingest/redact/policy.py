"""A redaction policy as a JSON document: what it changes of the built-in rules, what it adds.

    {"mode": "pseudonym", "detectors": ["presidio"], "rules": [
        {"name": "ipv4", "enabled": true},
        {"name": "employee", "pattern": "\\bE-[0-9]{6}\\b", "replacement": "[EMPLOYEE]"}]}

`mode` is that of every rule without one of its own. An empty document is the built-in policy.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sealbook.contract.documents import JsonValue
from sealbook.contract.submission import explain
from sealbook.errors import InvalidInput
from services.ingest.redact.builtin import builtin_rules
from services.ingest.redact.redactor import Redactor
from services.ingest.redact.rule import Rule, compile_rule
from services.ingest.redact.tags import Mode
from services.ingest.redact.version import policy_version

MAX_RULES = 1000
_REMEDY = "Correct the policy; the one in force stays as it is."
_BUILT_IN = {rule.name: rule for rule in builtin_rules()}

Model = TypeVar("Model", bound=BaseModel)


class _Entry(BaseModel):
    """One rule of the document; fields that are not set stay as built in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    pattern: str = ""
    replacement: str = ""
    validator: str | None = None
    keywords: list[str] = []
    enabled: bool = True
    mode: Mode = "tag"
    min_entropy: float | None = None
    group: int | None = None

    def said(self) -> dict[str, Any]:
        """The fields that are set, as fields of a rule."""
        fields = {name: getattr(self, name) for name in self.model_fields_set}
        if "keywords" in fields:
            fields["keywords"] = tuple(self.keywords)
        return fields


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rules: Annotated[list[dict[str, Any]], Field(max_length=MAX_RULES)] = []
    detectors: Annotated[
        list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$")]],
        Field(max_length=8),
    ] = []
    mode: Mode = "tag"


@dataclass(frozen=True, slots=True)
class RedactionPolicy:
    """The rules that are in effect, disabled ones too, and the names of the detectors."""

    rules: tuple[Rule, ...]
    detectors: tuple[str, ...] = ()

    @classmethod
    def default(cls) -> "RedactionPolicy":
        """The built-in policy."""
        return cls(builtin_rules())

    @property
    def version(self) -> str:
        """The same as that of a redactor with these rules and detectors."""
        return policy_version(self.rules, self.detectors)

    def listing(self) -> list[dict[str, JsonValue]]:
        """Every rule, in the order that settles ties, without its pattern."""
        return [
            {
                "name": rule.name,
                "enabled": rule.enabled,
                "mode": rule.mode,
                "replacement": rule.replacement,
                "validator": rule.validator,
                "keywords": [*rule.keywords],
                "built_in": rule.name in _BUILT_IN,
            }
            for rule in self.rules
        ]


def redaction_policy(document: JsonValue) -> RedactionPolicy:
    """The policy of a document. Raises InvalidInput naming the rule and the field."""
    policy = _read(_Document, document, "The redaction policy")
    said = dict(_said(policy.rules))
    rules = {name: replace(rule, mode=policy.mode) for name, rule in _BUILT_IN.items()}
    for name, fields in said.items():
        rules[name] = _rule(name, rules.get(name), {"mode": policy.mode} | fields)
    if len(rules) > MAX_RULES:
        raise InvalidInput(
            f"The redaction policy has {len(rules)} rules with the built-in ones, "
            f"the limit is {MAX_RULES}.",
            remedy=_REMEDY,
        )
    made = RedactionPolicy(tuple(rules.values()), tuple(dict.fromkeys(policy.detectors)))
    Redactor(made.rules)  # each rule may be used, and all of them together
    return made


def check_addition(entry: dict[str, JsonValue]) -> None:
    """Raise InvalidInput when `entry` cannot be a further rule of a policy."""
    for name, fields in _said([entry]):
        compile_rule(_rule(name, None, fields))


def _said(entries: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    seen = set()
    for number, entry in enumerate(entries, start=1):
        name = entry.get("name")
        where = repr(name[:64]) if isinstance(name, str) else f"number {number}"
        fields = _read(_Entry, entry, f"Redaction rule {where}").said()
        if fields["name"] in seen:
            raise InvalidInput(f"Redaction rule {where} is there twice.", remedy=_REMEDY)
        seen.add(fields["name"])
        yield fields["name"], fields


def _rule(name: str, built_in: Rule | None, fields: dict[str, Any]) -> Rule:
    if built_in is not None:
        return replace(built_in, **fields)
    if "pattern" not in fields:
        raise InvalidInput(
            f"Redaction rule {name[:64]!r} has no `pattern`, and no built-in rule has its name.",
            remedy="Give it a `pattern`, or the name of a built-in rule to change that one.",
        )
    return Rule(**{"replacement": f"[{name.upper()}]"} | fields)


def _read(model: type[Model], document: JsonValue, what: str) -> Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidInput(f"{what} does not fit: {explain(error)}.", remedy=_REMEDY) from None
