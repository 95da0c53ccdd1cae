"""What a detector plug-in tells: where in a text something private stands. A protocol, no detector.

A plug-in registers a class under the entry point group `sealbook.detectors`; a policy names it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Detection:
    """Characters `start` to `end` of a text, and what they are, such as `person`."""

    start: int
    end: int
    entity: str


class Detector(Protocol):
    """Finds what no pattern can tell, names for example."""

    name: str

    def detect(self, text: str) -> Sequence[Detection]:
        """What is to be masked. Whatever it raises, the whole text is masked instead."""
        ...
