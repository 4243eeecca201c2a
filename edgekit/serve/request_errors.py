"""Why a request gets no result: errors with the HTTP status of their response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from edgekit.errors import EdgekitError


class RequestError(EdgekitError):
    """A request is not served.

    Attributes:
        status: of the HTTP response.
        kind: what the metrics count it as.
        headers: more headers of the response.
    """

    status: ClassVar[int] = 400
    kind: ClassVar[str] = "request"

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})


class Unauthorized(RequestError):  # noqa: N818  (the name of the status says what happened; likewise below)
    """The request has no valid key."""

    status, kind = 401, "unauthorized"


class NotFound(RequestError):  # noqa: N818
    """There is no such path or model."""

    status, kind = 404, "not_found"


class MethodNotAllowed(RequestError):  # noqa: N818
    """The path exists, but not with this method."""

    status, kind = 405, "method"


class BodyTooSlow(RequestError):  # noqa: N818
    """The body did not arrive in time."""

    status, kind = 408, "body_too_slow"


class BodyTooLarge(RequestError):  # noqa: N818
    """The body, or what it contains, exceeds a limit."""

    status, kind = 413, "body_too_large"


class UnknownEncoding(RequestError):  # noqa: N818
    """The body is compressed."""

    status, kind = 415, "encoding"


class Busy(RequestError):  # noqa: N818
    """The queue is full."""

    status, kind = 503, "busy"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after_s)})


class DeadlineExceeded(RequestError):  # noqa: N818
    """The result was not ready in time."""

    status, kind = 504, "deadline"
