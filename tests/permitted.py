"""Users of the bus, and what their patterns of subjects allow them."""

from sealbook.contract import subjects
from sealbook.provision.permissions import FIXED, BusUser, actor

LOG = subjects.LOG_STREAM
ALICE, BOB = actor("alice"), actor("bob")
EVERYONE = [*FIXED, ALICE, BOB]
NAMES = {user.name for user in EVERYONE}
AUDIT_CALLS = (f"CONSUMER.CREATE.{LOG}.>", f"CONSUMER.MSG.NEXT.{LOG}.>", f"STREAM.INFO.{LOG}")
APPENDS = {
    "ingest": {
        *("interaction.recorded", "policy.changed"),
        *("rotation.started", "rotation.completed"),
    },
    "review": {"interaction.reviewed", "interaction.opened", "projection.rebuilt"},
    "rollup": {"projection.rebuilt"},
    "export": {
        *("export.requested", "export.completed", "export.failed", "export.cancelled"),
        *("download.issued", "projection.rebuilt"),
    },
}


def overlap(one: str, other: str) -> bool:
    """Whether some subject matches both patterns (`*` is a token, `>` one or more at the end)."""
    left, right = one.split("."), other.split(".")
    for a, b in zip(left, right, strict=False):
        if ">" in (a, b):
            return True
        if "*" not in (a, b) and a != b:
            return False
    return len(left) == len(right)


def within(one: str, other: str) -> bool:
    """Whether every subject that `one` matches is matched by `other`."""
    left, right = one.split("."), other.split(".")
    for place, wanted in enumerate(right):
        if wanted == ">":
            return len(left) > place
        if place >= len(left) or left[place] == ">" or (wanted != "*" and left[place] != wanted):
            return False
    return len(left) == len(right)


def may_publish(user: BusUser, pattern: str) -> bool:
    return any(overlap(allowed, pattern) for allowed in user.publish)


def may_hear(user: BusUser, pattern: str) -> bool:
    return any(overlap(allowed, pattern) for allowed in user.subscribe)
