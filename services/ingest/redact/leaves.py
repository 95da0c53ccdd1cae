"""All texts of a document in one list, and which containers they stand in. No judgement."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

MAX_TEXTS = 200_000
MAX_CONTAINERS = 500_000
LONG = 100_000_000
"""Numbers from here on may be somebody's, and are read as texts."""
_MAY_START_JSON = frozenset("{[ \t\r\n")


@dataclass(frozen=True, slots=True)
class Leaves:
    """Strings, object keys and long numbers; `nested` are the texts that may be JSON themselves."""

    texts: list[str] = field(default_factory=list)
    nested: list[int] = field(default_factory=list)
    _owners: list[int] = field(default_factory=list)
    _containers: list[Any] = field(default_factory=list)
    _parents: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, document: object) -> "Leaves | None":
        """None when it holds what JSON does not, or is too large to be worth it."""
        leaves = cls()
        leaves._containers.append([document])
        leaves._parents.append(0)
        for position, container in enumerate(leaves._containers):  # grows meanwhile
            if not leaves._read(container, position) or leaves._too_many():
                return None
        return leaves

    def above(self, leaves: Iterable[int]) -> frozenset[int]:
        """The identities of all containers on the way to these texts."""
        marked: set[int] = set()
        for leaf in leaves:
            container = self._owners[leaf]
            while container and container not in marked:
                marked.add(container)
                container = self._parents[container]
        return frozenset(id(self._containers[one]) for one in marked)

    def _too_many(self) -> bool:
        return len(self.texts) > MAX_TEXTS or len(self._containers) > MAX_CONTAINERS

    def _read(self, container: Any, position: int) -> bool:
        texts, owners = self.texts, self._owners
        values = container
        if type(container) is dict:
            texts += container
            owners += [position] * len(container)
            values = container.values()
        for value in values:
            kind = type(value)
            if kind is str:
                if value[:1] in _MAY_START_JSON:
                    self.nested.append(len(texts))
                texts.append(value)
                owners.append(position)
            elif kind is dict or kind is list:
                self._containers.append(value)
                self._parents.append(position)
            elif kind is int or kind is float:
                if not -LONG < value < LONG and not self._number(value, position):
                    return False
            elif value is not None and kind is not bool:
                return False
        return True

    def _number(self, value: float, position: int) -> bool:
        if value % 1:  # also of nan and infinity, which are none of JSON's
            return value - value == 0
        try:
            self.texts.append(str(abs(int(value))))
        except (ValueError, OverflowError):  # more digits than Python writes out
            return False
        self._owners.append(position)
        return True
