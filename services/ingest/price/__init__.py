"""What an interaction cost, as exact decimals: own rules first, then the `genai-prices` table.

Pure: no network, no clock. Unknown stays unknown (`None`), it is never priced at zero.
"""

from services.ingest.price.book import Cost, PriceBook
from services.ingest.price.rule import PriceRule
from services.ingest.price.rules import price_rules

__all__ = ["Cost", "PriceBook", "PriceRule", "price_rules"]
