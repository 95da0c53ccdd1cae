"""What can go wrong, as sentences: what happened, what to do, and whether trying again can help.

Every error Sealbook raises on purpose is a `SealbookError`. Messages carry the values that matter
for acting (names, ids, counts) and never a payload, a comment or any other private text: messages
end up in logs and in answers.
"""

from typing import ClassVar


class SealbookError(Exception):
    """Root of all errors; `code` is stable and goes to callers, `remedy` says what to do."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()

    def as_reply(self) -> dict[str, object]:
        """The `error` object of a command's reply."""
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "retryable": self.retryable,
        }


class InvalidInput(SealbookError):
    """What was sent does not have the agreed form; sending it again changes nothing."""

    code = "invalid"


class Defect(SealbookError):
    """Something nobody foresaw; the details are in the service's log, without private text."""


class NotFound(SealbookError):
    """The thing named does not exist, or not yet."""

    code = "not_found"


class Conflict(SealbookError):
    """The state moved on since the caller looked; look again, then decide."""

    code = "conflict"


class Refused(SealbookError):
    """The policy does not allow this actor to do this to this resource."""

    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        project: str | None = None,
        resource: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.project = project
        self.resource = resource


class Unavailable(SealbookError):
    """A server (NATS, PostgreSQL, S3, a service) could not be reached in time."""

    code = "unavailable"
    retryable = True


class Misconfigured(SealbookError):
    """A setting, key file or policy is missing or wrong; the process refuses to start."""

    code = "misconfigured"


class SealBroken(SealbookError):
    """A sealed payload does not authenticate: altered, moved, or sealed under another key."""

    code = "seal_broken"


class UnknownSeal(SealBroken):
    """These bytes are not a sealed payload, or one of a format this version does not know."""

    code = "unknown_seal"


class WrongKey(SealBroken):
    """The payload was sealed under another data key: another subject's, day's or project's."""

    code = "wrong_key"


class BrokenCommitment(SealBroken):
    """Salt or commitment were altered, or another secret poses under the data key's id."""

    code = "broken_commitment"


class AlteredSeal(SealBroken):
    """The ciphertext was altered or cut, or moved to another event, project, version or time."""

    code = "altered_seal"


class BrokenContent(SealBroken):
    """What the seal held authenticates, but is not what a payload looks like."""

    code = "broken_content"


class KeyUnavailable(SealbookError):
    """A data key was destroyed by an erasure, or the key-encryption key that wraps it is gone."""

    code = "key_unavailable"
