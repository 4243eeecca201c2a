"""Responses in JSON, of results and of errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response

from edgekit.errors import ImageError, SpecError, truncated
from edgekit.serve.request_errors import MethodNotAllowed, NotFound, RequestError

JSON, NDJSON = "application/json", "application/x-ndjson"
PRIVATE_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}  # of what a client sent
_MAX_PATH = 200  # characters in messages
INTERNAL = "internal"  # kind of errors that are the server's fault
_PARAMETERS = {"plan": "crops"}  # arguments of the library whose names in requests are others


def json_response(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The document as one line of JSON."""
    return Response(json_line(document), status, headers=PRIVATE_HEADERS | dict(headers or {}), media_type=JSON)


def ndjson_response(documents: Iterable[Any], *, headers: Mapping[str, str] | None = None) -> Response:
    """Each document as one line of JSON."""
    content = b"".join(map(json_line, documents))
    return Response(content, headers=PRIVATE_HEADERS | dict(headers or {}), media_type=NDJSON)


def json_line(document: Any) -> bytes:
    """The document as commands print it with --json."""
    return json.dumps(document, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def error_response(error: Exception) -> Response:
    """The response for an error: {"error": the line that the command prints for it}.

    What the client sent is a 4xx: 422 for an image that cannot be read or is refused, 400 for an argument that is not
    valid. Anything else that is not a RequestError is a fault of the server, of which the client learns nothing.
    """
    headers = error.headers if isinstance(error, RequestError) else None
    return json_response({"error": message_of(error)}, status=_status_of(error), headers=headers)


def message_of(error: Exception) -> str:
    """The message of an error in the words of requests: `plan` is the parameter `crops`."""
    if kind_of(error) == INTERNAL:
        return "internal error; the server's log has the reason"
    return re.sub(r"`(\w+)`", lambda match: f"`{_PARAMETERS.get(match[1], match[1])}`", str(error))


def kind_of(error: Exception) -> str:
    """What the metrics count an error as."""
    if isinstance(error, RequestError):
        return error.kind
    return "image" if isinstance(error, ImageError) else "request" if isinstance(error, SpecError) else INTERNAL


def _status_of(error: Exception) -> int:
    if isinstance(error, RequestError):
        return error.status
    return 422 if isinstance(error, ImageError) else 400 if isinstance(error, SpecError) else 500


def request_error(error: HTTPException, *, method: str, path: str) -> RequestError:
    """The error of ours for one of Starlette's router."""
    if error.status_code == MethodNotAllowed.status:
        allowed = ", ".join(sorted((error.headers or {}).get("Allow", "").split(", ")))
        return MethodNotAllowed(
            f"{truncated(path, _MAX_PATH)} does not allow {method}; use {allowed}", headers={"Allow": allowed}
        )
    return NotFound(f"no such path: {truncated(path, _MAX_PATH)}")
