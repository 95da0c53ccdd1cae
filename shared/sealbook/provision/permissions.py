"""Who may publish and subscribe to what on the bus: the least that each service and person needs.

Rendered as the `accounts` of a NATS configuration: streams and services are in one, who uses them
in another, who reads the log in a third; only what is listed leads across. A reply subject of one
account means nothing in another, so nobody can make the server or a service answer into the log.
An actor may speak under its own name only, so the actor in a subject is an identity.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sealbook.contract import subjects
from sealbook.errors import InvalidInput
from sealbook.stream.topology import EXPORT_CONSUMER, INGEST_CONSUMER

CROSSING_REPLIES = "_R_.>"
"""Where the server lets answers go that lead into the other account."""

AUDIT_API_PREFIX = "$JS.SEALBOOK.API"
"""Where auditors ask JetStream: their own account has a `$JS.API`, which knows no log."""

_LOG = subjects.LOG_STREAM
_CROSSING = (
    ("service", subjects.ALL_SUBMISSIONS),
    ("service", subjects.ALL_EXPORT_JOBS),
    ("service", subjects.ALL_COMMANDS),
    ("stream", subjects.ALL_NOTICES),
)


@dataclass(frozen=True, slots=True)
class BusUser:
    """A user of the bus. It always may read its own inbox."""

    name: str
    publish: Sequence[str]
    subscribe: Sequence[str] = ()


def _reads_log() -> list[str]:
    return [
        f"$JS.API.CONSUMER.CREATE.{_LOG}.>",
        f"$JS.API.CONSUMER.MSG.NEXT.{_LOG}.>",
        f"$JS.API.STREAM.INFO.{_LOG}",
    ]


def _reads_events(event_type: str) -> list[str]:
    """Those of one type only: the consumer's filter is part of the request's subject."""
    return [
        f"$JS.API.CONSUMER.CREATE.{_LOG}.*.{subjects.events(event_type)}",
        f"$JS.API.CONSUMER.MSG.NEXT.{_LOG}.*",
    ]


def _for_auditors(call: str) -> str:
    return call.replace("$JS.API", AUDIT_API_PREFIX)


def _appends(*event_types: str) -> list[str]:
    read_back = [f"$JS.API.DIRECT.GET.{_LOG}", f"$JS.API.STREAM.INFO.{_LOG}"]
    return [subjects.events(kind) for kind in (*event_types, "access.refused")] + read_back


def _takes_work(stream: str, consumer: str) -> list[str]:
    return [
        f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}",
        f"$JS.API.CONSUMER.INFO.{stream}.{consumer}",
        f"$JS.ACK.{stream}.{consumer}.>",
    ]


def _answering(*publish: str) -> list[str]:
    return [*publish, CROSSING_REPLIES]


def _commands(*verbs: str) -> list[str]:
    return [subjects.commands(verb) for verb in verbs]


SERVICES = (
    BusUser(
        "ingest",
        _answering(
            *_takes_work(subjects.SUBMIT_STREAM, INGEST_CONSUMER),
            *_reads_events("policy.changed"),
            *_appends(
                *("interaction.recorded", "policy.changed"),
                *("rotation.started", "rotation.completed"),
            ),
        ),
        _commands("policy.*", "quarantine.*", "keys.*", "status"),
    ),
    BusUser(
        "review",
        _answering(
            *_reads_log(),
            *_appends("interaction.reviewed", "interaction.opened", "projection.rebuilt"),
        ),
        _commands("review", "interaction.*", "projection.*", "audit.*", "status"),
    ),
    BusUser(
        "rollup",
        _answering(*_reads_log(), *_appends("projection.rebuilt")),
        _commands("rollup.*", "projection.*", "status"),
    ),
    BusUser(
        "export",
        _answering(
            *_takes_work(subjects.JOB_STREAM, EXPORT_CONSUMER),
            *_reads_log(),
            *_appends("export.*", "download.issued", "projection.rebuilt"),
            subjects.ALL_EXPORT_JOBS,
            subjects.ALL_NOTICES,
        ),
        _commands("export.*", "projection.*", "status"),
    ),
)

PROVISIONER = BusUser("provisioner", ["$JS.API.>"])
RECORDER = BusUser("recorder", [subjects.ALL_SUBMISSIONS])
AUDITOR = BusUser("auditor", [_for_auditors(call) for call in _reads_log()])
"""Reads the log, which tells the clear fields of all projects: no actor may do that."""

_INSIDE = (PROVISIONER, *SERVICES)
FIXED = (*_INSIDE, RECORDER, AUDITOR)
_OURS = frozenset(user.name for user in FIXED)


def actor(name: str) -> BusUser:
    """A person or program that asks: commands and export jobs under its own name.

    Raises InvalidInput for what is no name, or the name of one of our own users: NATS refuses to
    start with two users of one name.
    """
    if name in _OURS:
        raise InvalidInput(
            f"The actor name {name!r} is taken: a part of Sealbook has it.",
            remedy="Choose another name.",
        )
    own = [f"sealbook.command.{subjects.token('actor', name)}.>", subjects.export_job(name)]
    return BusUser(name, own, [subjects.ALL_NOTICES])


def render(users: Sequence[tuple[BusUser, str]]) -> str:
    """The `accounts` block for users and their passwords."""
    inside = [pair for pair in users if pair[0] in _INSIDE]
    auditors = [pair for pair in users if pair[0] == AUDITOR]
    clients = [pair for pair in users if pair[0] not in (*_INSIDE, AUDITOR)]
    exports = [*(_export(*way) for way in _CROSSING), *map(_audit_export, _reads_log())]
    return (
        "accounts {\n"
        + _account("SEALBOOK", "exports", exports, inside, "    jetstream: enabled\n")
        + _account("CLIENTS", "imports", [_import(*way) for way in _CROSSING], clients)
        + _account("AUDITORS", "imports", [*map(_audit_import, _reads_log())], auditors)
        + "}\n"
    )


def _account(
    name: str,
    direction: str,
    ways: Sequence[str],
    users: Sequence[tuple[BusUser, str]],
    more: str = "",
) -> str:
    listed = [_user(*pair) for pair in users]
    return (
        f"  {name} {{\n{more}    {direction}: [\n      {_lines(ways)}\n    ]\n"
        f"    users: [\n      {_lines(listed)}\n    ]\n  }}\n"
    )


def _export(kind: str, subject: str) -> str:
    # `status` is answered by every service: more than one answer may come back.
    answers = ", response_type: stream" if subject == subjects.ALL_COMMANDS else ""
    return f"{{ {kind}: {json.dumps(subject)}{answers} }}"


def _import(kind: str, subject: str) -> str:
    return f"{{ {kind}: {{ account: SEALBOOK, subject: {json.dumps(subject)} }} }}"


def _audit_export(call: str) -> str:
    return f"{{ service: {json.dumps(call)}, response_type: stream, accounts: [AUDITORS] }}"


def _audit_import(call: str) -> str:
    to = json.dumps(_for_auditors(call))
    return f"{{ service: {{ account: SEALBOOK, subject: {json.dumps(call)} }}, to: {to} }}"


def _user(user: BusUser, password: str) -> str:
    publish = json.dumps(user.publish)
    subscribe = json.dumps([*user.subscribe, f"{subjects.inbox(user.name)}.>"])
    return (
        f"{{ user: {_quoted(user.name)}, password: {_quoted(password)},"
        f" permissions: {{ publish: {publish}, subscribe: {subscribe} }} }}"
    )


def _lines(parts: Iterable[str]) -> str:
    return ",\n      ".join(parts)


def _quoted(text: str) -> str:
    """As a JSON string, which the NATS configuration format takes as it is, but for `\\u…`."""
    return json.dumps(text, ensure_ascii=False)
