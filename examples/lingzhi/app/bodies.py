"""Reading JSON bodies: what is not as asked is answered with 400."""

from typing import Any

from flask import abort, request


def json_object() -> dict[str, Any]:
    """The JSON object in the body of the request."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        abort(400, "the body must be a JSON object")
    return body


def text_of(body: dict[str, Any], field: str, longest: int) -> str:
    """The text in `field`: 1 to `longest` characters that any database can store."""
    value = body.get(field)
    if not isinstance(value, str) or not value.strip():
        abort(400, f"{field}: missing or not a text")
    if len(value) > longest:
        abort(400, f"{field}: longer than {longest} characters")
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        abort(400, f"{field}: has characters that are no text")
    return value
