"""ingest: normalize → redact → price → seal → append, once, for every path."""
