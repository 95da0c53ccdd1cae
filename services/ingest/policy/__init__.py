"""The policies: what is redacted and how, and own prices. Kept in the log, followed by all."""
