"""Mappers of other distributions: entry points of group `sealbook.normalizers`.

See docs/mappers.md. Loaded once, on first use. One that cannot be loaded is reported and left
out: a broken plug-in must not stop the recording of everyone else's interactions.
"""

import logging
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from services.ingest.normalize.mapping import Mapper

GROUP = "sealbook.normalizers"

_log = logging.getLogger(__name__)


@cache
def plugged_in() -> dict[str, Mapper]:
    """The mappers by provider, in lower case."""
    loaded = {point.name.lower(): _load(point) for point in entry_points(group=GROUP)}
    return {provider: mapper for provider, mapper in loaded.items() if mapper is not None}


def _load(point: EntryPoint) -> Mapper | None:
    try:
        mapper: Mapper = point.load()
    except Exception as error:  # noqa: BLE001 - importing foreign code may raise anything
        _log.error("The mapper %s cannot be loaded: %s.", point.value, type(error).__name__)
        return None
    _log.info("Exchanges of %s are mapped by %s.", point.name, point.value)
    return mapper
