"""One line of a JSON-lines file as the fields of a submission: either a Submission already, or an
exchange with a provider as a proxy or a test cassette keeps it (`provider, name, uri, http_status,
request, response | response_stream`). Pure.

Only the path of the `uri` is kept: some providers take the API key in the query.
"""

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from sealbook.contract.documents import JsonValue, parse
from sealbook.contract.ids import derived_id
from sealbook.errors import InvalidInput

Fields = dict[str, Any]

# Azure OpenAI /openai/deployments/<x>/…, Amazon Bedrock /model/<x>/invoke,
# Gemini /v1beta/models/<x>:generateContent
_MODEL_IN_PATH = re.compile(r"/deployments/([^/]+)/|/model/([^/]+)/|/models/([^/:]+):")
UNKNOWN = "unknown"


def fields_of(line: bytes, *, number: int, project: str, file_ms: int) -> Fields:
    """The fields in line `number` (from 1) of a file last changed at `file_ms` (Unix time).

    A line without an id gets the one that always comes out of the same line at the same place, so
    that recording a file again, or the rest of it, counts once.

    Raises:
        InvalidInput: the line is no JSON object, or its `uri` is none.
    """
    document = parse(line)
    if not isinstance(document, dict):
        raise InvalidInput(
            "The line is JSON, but not an object.",
            remedy="Put one submission or provider exchange on each line.",
        )
    fields: Fields = exchange(document) if "uri" in document else dict(document)
    if fields.get("id") is None:
        fields["id"] = derived_id(file_ms, project, number, line)
    return fields


def exchange(document: dict[str, JsonValue]) -> Fields:
    """A provider exchange as a submission's fields; what it has beyond the format goes along."""
    fields: Fields = {key: document[key] for key in document.keys() - {"name", "uri"}}
    path = _path(document["uri"])
    fields.setdefault("model", _model(document, path))
    origin = {"name": document.get("name"), "path": path}
    known = {key: value for key, value in origin.items() if value is not None}
    metadata = fields.get("metadata") or {}
    fields["metadata"] = known | metadata if isinstance(metadata, dict) else metadata
    return fields


def _model(document: dict[str, JsonValue], path: str) -> str:
    for body in (document.get("request"), document.get("response")):
        name = body.get("model") if isinstance(body, dict) else None
        if isinstance(name, str) and name:
            return name
    found = _MODEL_IN_PATH.search(path)
    return unquote(found[found.lastindex or 0]) if found else UNKNOWN


def _path(uri: JsonValue) -> str:
    try:
        return urlsplit(uri).path if isinstance(uri, str) else _no_uri()
    except ValueError:
        return _no_uri()


def _no_uri() -> str:
    raise InvalidInput(
        "`uri` is not a URI.", remedy="Give the address the request went to, or leave it out."
    )
