"""What all events share."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Event(BaseModel):
    """What all events share. Bytes travel as base64url (RFC 4648, section 5)."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        ser_json_bytes="base64",
        val_json_bytes="base64",
        protected_namespaces=(),
    )
    type: ClassVar[str]
    version: ClassVar[int] = 1

    @property
    def key(self) -> str:
        """The last token of its subject."""
        raise NotImplementedError
