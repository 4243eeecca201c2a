"""What a server logs: one line for each event, in which nothing of a request steers the terminal."""

import asyncio
import json
import logging
import re

import pytest
from made_serve import call
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from edgekit.serve.logs import AccessLog, configure_logging, log


@pytest.fixture(params=[False, True], ids=["text", "json"])
def as_json(request):
    """Whether a test configures logging as JSON. Afterwards, logging is as pytest has set it up."""
    loggers = [logging.getLogger(name) for name in ("", "edgekit.serve", "uvicorn")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    yield request.param
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)


def test_log_writes_one_line_for_each_event(as_json, capsys):
    configure_logging(as_json=as_json)
    log(logging.INFO, "started", "serving a", fields={"workers": 2, "models": ("a",)})
    log(logging.WARNING, "odd", "two\nlines \x1b[31m and \u202e", fields={"value": "\x1b\n"})
    first, second = capsys.readouterr().err.splitlines()
    if as_json:
        document = json.loads(first)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document.pop("time"))
        assert document == {"level": "info", "event": "started", "message": "serving a", "workers": 2, "models": ["a"]}
        assert json.loads(second)["message"] == "two\nlines \x1b[31m and \u202e"
    else:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ serving a", first)
        assert second.endswith(r"Z warning: two\nlines \x1b[31m and \u202e")
    assert first.isprintable()
    assert second.isprintable()


def test_log_adds_the_traceback_of_an_error(as_json, capsys):
    configure_logging(as_json=as_json)
    try:
        raise KeyError("oh")
    except KeyError as error:
        log(logging.ERROR, "failed", "it failed", error=error)
    written = capsys.readouterr().err
    if as_json:
        (line,) = written.splitlines()
        assert json.loads(line)["traceback"].startswith("Traceback")
        assert json.loads(line)["level"] == "error"
    else:
        first, second, *_ = written.splitlines()
        assert first.endswith("Z error: it failed")
        assert second.startswith("Traceback")


def test_log_truncates_long_messages(as_json, capsys):
    configure_logging(as_json=as_json)
    log(logging.INFO, "long", "a" * 100_000)
    assert len(capsys.readouterr().err) < 2500


def test_other_libraries_are_logged_from_errors_on(as_json, capsys):
    configure_logging(as_json=as_json)
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("asyncio").warning("socket.send() raised exception.")
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    (line,) = capsys.readouterr().err.splitlines()
    assert "Task exception was never retrieved" in line


def access_log_of(target, handler):
    app = Starlette(routes=[Route("/{rest:path}", handler)])
    try:
        return call(AccessLog(app), "GET", target)
    except ZeroDivisionError:
        return None


async def hello(request):
    return PlainTextResponse("hello")


def test_access_log_has_client_request_status_size_and_time(as_json, capsys):
    configure_logging(as_json=as_json)
    access_log_of("/predict?top=3", hello)
    (line,) = capsys.readouterr().err.splitlines()
    if as_json:
        document = json.loads(line)
        assert document.pop("duration_ms") >= 0
        del document["time"], document["message"]
        assert document == {
            "level": "info",
            "event": "request",
            "client": "127.0.0.1",
            "method": "GET",
            "target": "/predict?top=3",
            "status": 200,
            "bytes": 5,
        }
    else:
        assert re.search(r"Z 127\.0\.0\.1 GET /predict\?top=3 200 5 bytes \d+\.\d ms$", line)


def test_access_log_escapes_control_characters_and_truncates(as_json, capsys):
    configure_logging(as_json=as_json)
    access_log_of("/\x1b[31m\n" + "a" * 100_000, hello)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()
    assert len(line) < 1000


def test_access_log_has_a_line_for_a_request_without_a_response(as_json, capsys):
    configure_logging(as_json=as_json)

    async def leave(request):
        await asyncio.sleep(0)
        raise ZeroDivisionError

    access_log_of("/gone", leave)
    line = capsys.readouterr().err.splitlines()[0]
    assert ('"status": 500' in line) if as_json else ("/gone 500" in line)
