"""Streams: from the raw text or the chunks of an answer to the complete answer."""

from services.ingest.normalize.streams.assembly import assemble, complete_response
from services.ingest.normalize.streams.parsing import parse_stream

__all__ = ["assemble", "complete_response", "parse_stream"]
