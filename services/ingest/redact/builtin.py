"""The rules every deployment starts with. Order breaks ties between matches of equal length."""

from services.ingest.redact.credentials import CREDENTIAL_RULES
from services.ingest.redact.personal import PERSONAL_RULES
from services.ingest.redact.rule import Rule


def builtin_rules() -> tuple[Rule, ...]:
    """All built-in rules; those with `enabled=False` are there to be switched on."""
    return CREDENTIAL_RULES + PERSONAL_RULES
