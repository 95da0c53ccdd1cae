"""Price rules from a document, `{"prices": [{"model": "gpt-4o*", "input": "2.50"}]}`.

It is validated as a whole: one bad rule and none is taken. Amounts are never floats: one that is
not a whole number stands in quotes.
"""

import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from sealbook.contract.documents import JsonValue
from sealbook.errors import InvalidInput
from services.ingest.price.rates import BUCKETS
from services.ingest.price.rule import PriceRule

_REMEDY = "Correct the rules and send them again; none of them was taken."
_FIELDS = frozenset(field.name for field in fields(PriceRule))
_AMOUNTS = (*BUCKETS, "request")
_MOST = Decimal(10) ** 9
_MOST_DIGITS = 30  # so that no sum of the arithmetic is rounded (`rates.EXACT`)


def price_rules(document: JsonValue) -> tuple[PriceRule, ...]:
    """The rules of a document. Raises InvalidInput that names the rule and the field."""
    form = 'Price rules are an object with a list of rules, {"prices": [...]}.'
    if not isinstance(document, dict):
        raise InvalidInput(form, remedy=_REMEDY)
    if unknown := sorted(document.keys() - {"prices"}):
        raise InvalidInput(
            f"The price rules have an unknown field {unknown[0][:80]!r}. {form}", remedy=_REMEDY
        )
    listed = document.get("prices", [])
    if not isinstance(listed, list):
        raise InvalidInput(form, remedy=_REMEDY)
    return tuple(_rule(number, table) for number, table in enumerate(listed, start=1))


def _rule(number: int, table: JsonValue) -> PriceRule:
    if not isinstance(table, dict):
        raise InvalidInput(f"Price rule {number} is not an object.", remedy=_REMEDY)
    where = f"Price rule {number} ({str(table.get('model', 'without model'))[:80]!r})"
    if unknown := sorted(table.keys() - _FIELDS):
        raise InvalidInput(f"{where}: unknown field {unknown[0][:80]!r}.", remedy=_REMEDY)
    if not any(name in table for name in _AMOUNTS):
        raise InvalidInput(f"{where}: no price; give at least `input`.", remedy=_REMEDY)
    if "model" not in table:
        raise InvalidInput(f"{where}: field `model` is missing.", remedy=_REMEDY)
    return PriceRule(**{name: _field(where, name, value) for name, value in table.items()})


def _field(where: str, name: str, value: object) -> Any:
    """One field's value; Any because the dataclass's fields differ in type."""
    try:
        return _READERS.get(name, _amount)(value)
    except ValueError as error:
        raise InvalidInput(f"{where}: field `{name}` {error}.", remedy=_REMEDY) from error


def _amount(value: object) -> Decimal:
    if isinstance(value, float):
        raise ValueError(f'is not exact as a number; write it in quotes, "{value}"')
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("must be a whole number or a number in quotes")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError("is not a decimal number") from error
    if not amount.is_finite() or not 0 <= amount < _MOST:
        raise ValueError("must be between 0 and 10^9")
    if len(amount.as_tuple().digits) > _MOST_DIGITS or amount.adjusted() < -_MOST_DIGITS:
        raise ValueError(f"has more than {_MOST_DIGITS} digits")
    return amount


def _glob(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise ValueError("must be a glob of 1 to 200 characters")
    return value


def _per(value: object) -> Literal[1000, 1_000_000]:
    if isinstance(value, bool | float) or value not in (1000, 1_000_000):
        raise ValueError("must be 1000 or 1000000")
    return 1000 if value == 1000 else 1_000_000


def _currency(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch("[A-Z]{3}", value):
        raise ValueError("must be an ISO 4217 code such as USD")
    return value


def _date(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError("must be a date such as 2026-01-31") from error


_READERS: Mapping[str, Any] = {
    "model": _glob,
    "provider": _glob,
    "per": _per,
    "currency": _currency,
    "effective_from": _date,
}
