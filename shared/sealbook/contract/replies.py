"""Replies to commands: `{"ok": true, …}` or `{"ok": false, "error": {…}}`."""

from typing import Any

from pydantic_core import from_json, to_json

from sealbook.errors import SealbookError


class CommandFailed(SealbookError):
    """The service answered with an error; code, message and remedy are the service's own."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error.get("message", "")), remedy=str(error.get("remedy", "")))
        self.code = str(error.get("code", "internal"))  # type: ignore[misc]
        self.retryable = bool(error.get("retryable"))  # type: ignore[misc]


def success(**fields: Any) -> bytes:
    """The reply to a command that was carried out."""
    return to_json({"ok": True, **fields})


def failure(error: SealbookError) -> bytes:
    """The reply to a command that was not."""
    return to_json({"ok": False, "error": error.as_reply()})


def read_reply(body: bytes) -> dict[str, Any]:
    """The fields of a reply. Raises CommandFailed when it tells of an error."""
    reply: dict[str, Any] = from_json(body)
    if reply.get("ok") is True:
        return reply
    raise CommandFailed(reply.get("error", {}))
