"""What a server logs: one line for each event, for people or as JSON."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from edgekit.errors import printable, truncated

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOGGER = logging.getLogger("edgekit.serve")
_MAX_MESSAGE, _MAX_TARGET = 2000, 200


def log(
    level: int,
    event: str,
    message: str,
    *,
    fields: Mapping[str, object] | None = None,
    error: BaseException | None = None,
) -> None:
    """Log an event.

    Args:
        level: `logging.INFO`, `logging.WARNING` or `logging.ERROR`.
        event: what happened, for programs: one of a few words that never change, such as "model_reloaded".
        message: what happened, for people: one line.
        fields: values for programs, which JSON can represent; only --log-json prints them.
        error: its traceback follows the message. Only for faults of the server.
    """
    _LOGGER.log(level, "%s", message, extra={"event": event, "fields": fields or {}}, exc_info=error)


def configure_logging(*, as_json: bool) -> None:
    """Log to stderr: events of the server, and what other libraries report as errors.

    Only for the process of a server; an app that is embedded logs to the logger "edgekit.serve" as its owner configures
    it.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if as_json else _TextLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    _LOGGER.setLevel(logging.INFO)
    # uvicorn reports every malformed request as a warning. The metrics count those.
    logging.getLogger("uvicorn").setLevel(logging.ERROR)


class AccessLog:
    """Logs each request after its response: client, method, path and query, status, bytes, time.

    Args:
        app: the app whose requests are logged.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status, sent_bytes = time.perf_counter(), 0, 0

        async def send_counted(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
            sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        finally:
            _log_request(scope, status, sent_bytes, (time.perf_counter() - start) * 1000)


def _log_request(scope: Scope, status: int, sent_bytes: int, duration_ms: float) -> None:
    query = scope["query_string"].decode("latin-1")
    target = printable(truncated(scope["path"] + (f"?{query}" if query else ""), _MAX_TARGET))
    client = (scope.get("client") or ("unknown",))[0]
    result = status or "no response"  # the client left
    log(
        logging.INFO,
        "request",
        f"{client} {scope['method']} {target} {result} {sent_bytes} bytes {duration_ms:.1f} ms",
        fields={
            "client": client,
            "method": scope["method"],
            "target": target,
            "status": status or None,
            "bytes": sent_bytes,
            "duration_ms": round(duration_ms, 1),
        },
    )


class _TextLines(logging.Formatter):
    """`2026-11-28T12:00:00Z warning: message`, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        line = f"{_time_of(record)} {level}{printable(truncated(record.getMessage(), _MAX_MESSAGE))}"
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class _JsonLines(logging.Formatter):
    """One JSON object: time, level, event, message, the event's fields, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "time": _time_of(record, timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": getattr(record, "event", record.name),
            "message": truncated(record.getMessage(), _MAX_MESSAGE),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return json.dumps(document, default=str)


def _time_of(record: logging.LogRecord, *, timespec: str = "seconds") -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
