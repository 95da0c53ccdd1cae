"""Redaction: what is masked, by which rule, before anything is kept. Pure, no I/O.

Redactor(builtin_rules()).scan({"to": "ada@example.org"})
# Redacted(document={"to": "[EMAIL]"}, hits={"email": 1})
"""

from services.ingest.redact.builtin import builtin_rules
from services.ingest.redact.redactor import Redacted, Redactor
from services.ingest.redact.rule import Rule
from services.ingest.redact.seams import scan_answer
from services.ingest.redact.tags import ERROR_HIT, ERROR_TAG
from services.ingest.redact.tree import JsonValue

__all__ = [
    "ERROR_HIT",
    "ERROR_TAG",
    "JsonValue",
    "Redacted",
    "Redactor",
    "Rule",
    "builtin_rules",
    "scan_answer",
]
