"""Events of OpenAI's Responses API to the response object.

The last event carries the whole response. A stream that was cut has only its pieces: then the
finished items are taken as they came, and the unfinished ones from their deltas.
"""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_list, as_object
from services.ingest.normalize.streams.fragments import by_index

_ITEMS = ("response.output_item.added", "response.output_item.done")


def is_chunk(chunk: Fields) -> bool:
    """Every event's type begins alike."""
    kind = chunk.get("type")
    return isinstance(kind, str) and kind.startswith("response.")


def assemble(chunks: list[Fields]) -> JsonValue:
    """The last state of the response, with its output."""
    response: Fields = {"object": "response", **_last_response(chunks)}
    if not as_list(response.get("output")):
        response["output"] = _output(chunks)
    errors = [chunk for chunk in chunks if chunk.get("type") == "error" or "error" in chunk]
    if errors and not response.get("error"):
        response["error"] = errors[-1].get("error") or errors[-1]
    return response


def _last_response(chunks: list[Fields]) -> Fields:
    for chunk in reversed(chunks):
        if isinstance(response := chunk.get("response"), dict):
            return response
    return {}


def _output(chunks: list[Fields]) -> JsonValue:
    """The items by their place in the output."""
    events = by_index({**chunk, "index": chunk.get("output_index")} for chunk in chunks)
    items = [_item(pieces) for pieces in events.values()]
    return [item for item in items if item]


def _item(events: list[Fields]) -> Fields:
    item: Fields = {}
    for event in events:
        if event.get("type") in _ITEMS:
            item = as_object(event.get("item"))
    if not item or item.get("status") == "completed":
        return item
    return {**item, **_unfinished(item, events)}


def _unfinished(item: Fields, events: list[Fields]) -> Fields:
    """The field that the deltas so far amount to."""
    text = _deltas(events, "response.output_text.delta")
    if text:
        return {"content": [{"type": "output_text", "text": text}]}
    arguments = _deltas(events, "response.function_call_arguments.delta")
    return {"arguments": arguments} if arguments else {}


def _deltas(events: list[Fields], kind: str) -> str:
    deltas = (event.get("delta") for event in events if event.get("type") == kind)
    return "".join(delta for delta in deltas if isinstance(delta, str))
