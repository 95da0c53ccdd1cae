"""Events of an assistant's run to the run with its `messages` and `steps`."""

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.reading import Fields, as_object, as_text
from services.ingest.normalize.streams.fragments import join_objects


def is_chunk(chunk: Fields) -> bool:
    """Every event's data is one of the thread objects or a delta of one."""
    kind = chunk.get("object")
    return isinstance(kind, str) and kind.startswith("thread")


def assemble(chunks: list[Fields]) -> JsonValue:
    """The run's last state; without a run, the last object."""
    runs = _of("thread.run", chunks)
    whole: Fields = dict((runs or chunks)[-1])
    for name, kind in (("messages", "thread.message"), ("steps", "thread.run.step")):
        if found := _latest(kind, chunks):
            whole[name] = found
    for chunk in chunks:
        if chunk.get("error"):
            whole["error"] = chunk["error"]
    return whole


def _of(kind: str, chunks: list[Fields]) -> list[Fields]:
    return [chunk for chunk in chunks if chunk.get("object") == kind]


def _latest(kind: str, chunks: list[Fields]) -> list[JsonValue]:
    """The last state of each object of a kind, completed from its deltas if it was cut off."""
    states = {as_text(chunk.get("id")): chunk for chunk in _of(kind, chunks)}
    deltas: dict[str | None, list[Fields]] = {}
    for chunk in _of(f"{kind}.delta", chunks):
        deltas.setdefault(as_text(chunk.get("id")), []).append(as_object(chunk.get("delta")))
    return [_complete(state, deltas.get(key, [])) for key, state in states.items()]


def _complete(state: Fields, deltas: list[Fields]) -> JsonValue:
    if state.get("status") == "completed" or not deltas:
        return state
    return {**state, **join_objects(deltas)}
