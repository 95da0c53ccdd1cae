"""Every NATS subject and stream name, spelled here and nowhere else.

A token taken from outside is checked before it enters a subject, so that `.`, `*`, `>`, `$`, white
space and control characters never do.
"""

import re

from sealbook.errors import InvalidInput

SUBMIT_STREAM = "SEALBOOK_SUBMIT"
LOG_STREAM = "SEALBOOK_LOG"
JOB_STREAM = "SEALBOOK_JOB"

ALL_SUBMISSIONS = "sealbook.submit.*"
ALL_EVENTS = "sealbook.log.>"
ALL_JOBS = "sealbook.job.>"
ALL_EXPORT_JOBS = "sealbook.job.export.*"
ALL_COMMANDS = "sealbook.command.>"
ALL_NOTICES = "sealbook.notice.>"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_token(value: str) -> bool:
    """Whether `value` may stand as one token of a subject."""
    return _TOKEN.fullmatch(value) is not None


def token(kind: str, value: str) -> str:
    """`value` itself, or InvalidInput naming `kind` when it may not stand in a subject."""
    if is_token(value):
        return value
    raise InvalidInput(
        f"The {kind} is not a valid name ({len(value)} characters).",
        remedy="Use 1 to 64 of the characters A-Z a-z 0-9 _ and -.",
    )


def submit(project: str) -> str:
    """Where a submission of `project` is published."""
    return f"sealbook.submit.{token('project', project)}"


def project_of(submit_subject: str) -> str | None:
    """The project in a submit subject; None when it is not a valid name."""
    name = submit_subject.removeprefix("sealbook.submit.")
    return name if is_token(name) else None


def command(actor: str, verb: str) -> str:
    """Where `actor` asks for `verb` (verbs may have a dot: `interaction.open`)."""
    return f"sealbook.command.{token('actor', actor)}.{verb}"


def commands(verb: str) -> str:
    """Where the owner of `verb` listens."""
    return f"sealbook.command.*.{verb}"


def export_job(actor: str) -> str:
    """Where `actor` publishes export jobs."""
    return f"sealbook.job.export.{token('actor', actor)}"


def actor_of(subject: str) -> str:
    """The actor in a command or export job subject: the identity the bus vouches for."""
    tokens = subject.split(".")
    return token("actor", tokens[3] if tokens[1] == "job" else tokens[2])


def event(partition: int, event_type: str, key: str) -> str:
    """Where an event is appended; `event_type` reads `aggregate.event`."""
    return f"sealbook.log.{partition}.{event_type}.{token('key', key)}"


def event_anywhere(event_type: str, key: str) -> str:
    """The same event in whatever partition; `event_type` may end in `*` (`export.*`)."""
    return f"sealbook.log.*.{event_type}.{token('key', key)}"


def events(event_type: str) -> str:
    """All events of a type; `event_type` may end in `*` (`interaction.*`)."""
    return f"sealbook.log.*.{event_type}.*"


def partition_in(event_subject: str) -> int:
    """The partition an event was appended to."""
    return int(event_subject.split(".", 3)[2])


def inbox(user: str) -> str:
    """Where replies to `user` arrive; nobody else may listen there."""
    return f"_INBOX.{token('bus user', user)}"


def notice(kind: str, key: str) -> str:
    """Where progress of an export or a rebuild is told."""
    return f"sealbook.notice.{kind}.{token('key', key)}"


def partition_of(key: str, partitions: int) -> int:
    """FNV-1a (32 bits) of `key` modulo `partitions`, as the server's `partition(n, …)`."""
    digest = 0x811C9DC5
    for byte in key.encode():
        digest = ((digest ^ byte) * 0x01000193) & 0xFFFFFFFF
    return digest % partitions
