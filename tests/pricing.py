"""Asking a price book what an ordinary interaction costs."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sealbook.contract.usage import Usage
from services.ingest.price import (
    Cost,
    PriceBook,
)

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
USAGE = Usage(input=1_000_000, output=1_000_000)
D = Decimal
ARN = "arn:aws:bedrock:us-east-1"


def price(book: PriceBook | None = None, **given: Any) -> Cost | None:
    asked = {"provider": "openai", "model": "gpt-4o-mini", "usage": USAGE, "at": AT, **given}
    return (book or PriceBook()).price(**asked)


def total(book: PriceBook | None = None, **given: Any) -> Decimal | None:
    cost = price(book, **given)
    return None if cost is None else cost.total
