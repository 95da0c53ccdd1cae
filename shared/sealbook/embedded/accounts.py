"""Who PostgreSQL runs as: it refuses root, so root lends it another existing account."""

import os
import pwd
from pathlib import Path

from sealbook.embedded.process import Account
from sealbook.errors import Misconfigured

CANDIDATES = ("postgres", "nobody")


def postgres_account(data: Path) -> Account | None:
    """None to stay who we are; for root the owner of existing data, else a candidate."""
    if os.geteuid() != 0:
        return None
    owner = data.stat().st_uid if data.exists() else 0
    for entry in _known(owner):
        if entry.pw_uid != 0:
            return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise Misconfigured(
        f"PostgreSQL does not run as root, and there is no account {' or '.join(CANDIDATES)}.",
        remedy="Run sealbook as an ordinary user.",
    )


def _known(owner: int) -> list[pwd.struct_passwd]:
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    owners = [entry for entry in entries.values() if entry.pw_uid == owner]
    return owners + [entries[name] for name in CANDIDATES if name in entries]
