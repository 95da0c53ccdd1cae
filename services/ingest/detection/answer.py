"""What a detector's process answers, read with distrust. Pure."""

import json
import re
from typing import Any

from services.ingest.redact.detection import Detection

_ENTITY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}", re.ASCII)
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)


class PlugInRaised(Exception):
    """The plug-in raised, and its process is well; the message is the class of its error."""


def read_answer(body: bytes, length: int) -> tuple[Detection, ...]:
    """What was found in a text of `length` characters.

    Raises:
        PlugInRaised: instead of an answer.
        ValueError: that is no answer to such a text.
    """
    try:
        answer = json.loads(body)
    except RecursionError:
        raise ValueError from None
    match answer:
        case {"found": list(found)}:
            return tuple(_detection(one, length) for one in found)
        case {"error": str(name)}:
            raise PlugInRaised(name if _CLASS.fullmatch(name) else "Exception")
        case _:
            raise ValueError


def _detection(found: Any, length: int) -> Detection:
    match found:
        case [int(start), int(end), str(entity)] if 0 <= start < end <= length:
            if _ENTITY.fullmatch(entity):
                return Detection(start, end, entity)
    raise ValueError
