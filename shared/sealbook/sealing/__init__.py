"""Envelope encryption of payloads: key-encryption key → data key → one key per event."""
