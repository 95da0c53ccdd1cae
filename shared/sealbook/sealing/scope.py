"""What one data key is for, and what its wrapping is bound to."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Purpose = Literal["subject", "day", "index", "service"]


@dataclass(frozen=True, slots=True)
class Scope:
    """What one data key is for: a data subject's payloads, a project's payloads of a day, its
    blind index, or a service's own records. Destroying the key erases exactly that."""

    project: str
    purpose: Purpose
    name: str

    def context(self, key_id: UUID) -> bytes:
        """What a wrapped key is bound to, so that it cannot pose as another scope's."""
        return "\0".join((str(key_id), self.project, self.purpose, self.name)).encode()


def context_fields(context: bytes) -> dict[str, str]:
    """What `Scope.context` made, by name: for providers that want a context of fields."""
    parts = zip(("key", "project", "purpose", "name"), context.decode().split("\0"), strict=True)
    return {name: part for name, part in parts if part}


PROBE = Scope("", "service", "probe").context(UUID(int=0))
"""The context of what is wrapped only to see whether it can be, and under which key."""
