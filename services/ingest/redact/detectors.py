"""What detector plug-ins say about a text, as marks and claims; anything odd is raised."""

import re
from collections.abc import Iterable, Sequence

from services.ingest.redact.candidate import Span
from services.ingest.redact.detection import Detection, Detector
from services.ingest.redact.tags import Mark, within

SHORTEST = 3  # characters; what is shorter is not worth the call

_ENTITY = re.compile("[A-Z][A-Z0-9_]{0,63}")
# Which entities a detector knows is not said, so that anything in this form has to pass for its
# tag. It passes for detectors only: rules look into it.
_TAG = re.compile(rb"\[[A-Z][A-Z0-9_]{0,63}\]")


def detected(
    detectors: Sequence[Detector], data: bytes, tags: list[Span]
) -> list[tuple[int, int, Mark]]:
    """What is to be masked, in bytes.

    Raises whatever a detector raises, and ValueError for a span outside the text or an entity
    that cannot be a tag.
    """
    text = data.decode()
    if not detectors or len(text) < SHORTEST:
        return []
    found = [one for detector in detectors for one in detector.detect(text)]
    if not found:
        return []
    quiet = sorted([*tags, *(match.span() for match in _TAG.finditer(data))])
    at = _byte_offsets(text, found)
    spans = ((at[one.start], at[one.end], _mark(one.entity)) for one in found)
    return [one for one in spans if not within(one[0], one[1], quiet)]


def _byte_offsets(text: str, found: Iterable[Detection]) -> dict[int, int]:
    """The place in UTF-8 of every place named."""
    offsets, chars, size = {}, 0, 0
    for one in found:
        if not 0 <= one.start < one.end <= len(text):
            raise ValueError("a detection outside the text")
    for place in sorted({place for one in found for place in (one.start, one.end)}):
        size += len(text[chars:place].encode())
        chars = offsets[place] = place
        offsets[place] = size
    return offsets


def _mark(entity: str) -> Mark:
    name = entity.upper()
    if not _ENTITY.fullmatch(name):
        raise ValueError("an entity that cannot be a tag")
    return Mark(name.lower(), f"[{name}]".encode())
