"""How an exchange ended: success, error with its class and message, or canceled."""

from dataclasses import dataclass

from sealbook.contract.documents import JsonValue
from services.ingest.normalize.exchange import Exchange, Status
from services.ingest.normalize.reading import Fields, as_object, as_text, first_text

# nginx's "client closed request": the application hung up.
_CLIENT_CLOSED = 499


@dataclass(frozen=True, slots=True)
class Outcome:
    """A status, and for an error what the provider says about it."""

    status: Status
    error_class: str | None = None
    error_message: str | None = None


_SUCCESS = Outcome("success")


def outcome_of(exchange: Exchange) -> Outcome:
    """The outcome by HTTP status and body; a body with an error is one whatever the status says."""
    http_status = exchange.http_status or 0
    body = as_object(exchange.response)
    error = _error_in(body)
    status = _status(http_status, body, error)
    if status == "success":
        return _SUCCESS
    error_class = _class(error, body, http_status) if status == "error" else None
    return Outcome(status, error_class, _message(error, exchange.response))


def _status(http_status: int, body: Fields, error: JsonValue) -> Status:
    state = body.get("status")
    if http_status == _CLIENT_CLOSED or state in ("cancelled", "canceled"):
        return "canceled"
    if error or http_status >= 400 or state == "failed":
        return "error"
    return "success"


def _error_in(body: Fields) -> JsonValue:
    """`error` nearly everywhere, `last_error` in assistants' runs, `Error` and `__type` in AWS."""
    for name in ("error", "last_error", "Error"):
        if body.get(name):
            return body[name]
    return body if "__type" in body else None


def _class(error: JsonValue, body: Fields, http_status: int) -> str:
    """Type, else code, else the HTTP status; Gemini's numeric code yields to its status name."""
    fields = as_object(error)
    code = fields.get("code")
    # The type "error" names the event that brought the error, it does not tell which one.
    kind = as_text(fields.get("type"))
    return (
        (kind if kind != "error" else None)
        or first_text(fields, "code", "status", "Code", "__type")
        or (str(code) if type(code) is int and abs(code) < 10**6 else None)
        or first_text(as_object(body.get("incomplete_details")), "reason")
        or (f"http_{http_status}" if http_status >= 400 else "unknown")
    )


def _message(error: JsonValue, response: JsonValue) -> str | None:
    if isinstance(error, str):
        return error
    text = first_text(as_object(error), "message", "Message", "detail")
    return text or first_text(as_object(response), "message", "detail") or as_text(response)
