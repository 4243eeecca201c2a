import asyncio

import pytest
from made_serve import CUT_OFF, Reply, call_async
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from edgekit.serve import ServeSettings
from edgekit.serve.bodies import received_body
from edgekit.serve.metrics import Metrics
from edgekit.serve.pool import Disconnected
from edgekit.serve.request_errors import RequestError
from edgekit.serve.responses import error_response
from edgekit.serve.services import Services


def app_that_echoes(**settings):
    """An app whose responses are the bodies of its requests, and its services. `go_on` lets it respond."""

    async def echo(request):
        try:
            async with received_body(request) as body:
                held.append(services.memory.held)
                await go_on.wait()
                return PlainTextResponse(body)
        except RequestError as error:
            return error_response(error)

    held, go_on = [], asyncio.Event()
    go_on.set()
    services = Services([], settings=ServeSettings(**settings), metrics=Metrics(routes=["/"], models=[]))
    app = Starlette(routes=[Route("/", echo, methods=["POST"])])
    app.state.services, app.state.held, app.state.go_on = services, held, go_on
    return app


def post(app, **arguments) -> Reply:
    return asyncio.run(call_async(app, "POST", "/", **arguments))


def test_body_arrives_in_pieces_and_is_held_until_the_response():
    app = app_that_echoes()
    assert post(app, body=[b"one ", b"", b"two"]).body == b"one two"
    assert app.state.held == [7]
    assert app.state.services.memory.held == 0


def test_empty_body_is_refused():
    reply = post(app_that_echoes())
    assert (reply.status, reply.error) == (400, "the body is empty")


def test_compressed_body_is_refused():
    reply = post(app_that_echoes(), body=b"x", headers={"Content-Encoding": "gzip"})
    assert (reply.status, reply.error) == (415, "the body has the content encoding 'gzip'; send it without one")
    assert post(app_that_echoes(), body=b"x", headers={"Content-Encoding": "Identity"}).status == 200


@pytest.mark.parametrize("length", ["11", "011", "9" * 5000])
def test_content_length_above_limit_is_refused_before_anything_is_read(length):
    app = app_that_echoes(max_body_bytes=10)
    reply = post(app, body=[b"x" * 5, CUT_OFF], headers={"Content-Length": length})
    assert (reply.status, reply.error) == (413, "the body has more than the limit of 10 bytes")


def test_content_length_up_to_limit_is_read():
    app = app_that_echoes(max_body_bytes=10)
    assert post(app, body=b"x" * 10, headers={"Content-Length": "0010"}).status == 200


def test_body_without_length_is_refused_while_it_streams():
    app = app_that_echoes(max_body_bytes=10)
    pieces = [b"x" * 4] * 100 + [CUT_OFF]
    reply = post(app, body=pieces)
    assert reply.status == 413
    assert app.state.services.memory.held == 0


def test_slow_body_is_cut_off():
    app = app_that_echoes(body_timeout_s=0.1)
    reply = post(app, body=[b"x"] * 50, pause_s=0.02)
    assert reply.status == 408
    assert reply.error.startswith("the body did not arrive in time: 0.1 s, and one more for each 4096 bytes (")


def test_received_bytes_extend_the_time():
    app = app_that_echoes(body_timeout_s=1, min_body_rate=50)
    assert post(app, body=[b"x" * 50] * 8, pause_s=0.2).status == 200


def test_time_is_not_saved_up_for_a_pause():
    """A body of which most arrives at once must go on arriving: it holds memory."""
    app = app_that_echoes(body_timeout_s=0.4, min_body_rate=1)
    reply = post(app, body=[b"x" * 1000, b"x"], pause_s=5)
    assert reply.status == 408
    assert reply.error.endswith("(1000 bytes received)")


def test_client_that_leaves_early_raises_disconnected():
    app = app_that_echoes()
    with pytest.raises(Disconnected):
        post(app, body=[b"half", CUT_OFF])
    assert app.state.services.memory.held == 0


def test_bodies_of_all_requests_together_are_limited(monkeypatch):
    app = app_that_echoes(max_held_bytes=100)
    monkeypatch.setattr(Services, "pool", type("Pool", (), {"retry_after_s": lambda self: 7})())

    async def three():
        app.state.go_on.clear()
        tasks = [asyncio.create_task(call_async(app, "POST", "/", body=b"x" * 45)) for _ in range(3)]
        await asyncio.sleep(0.05)
        app.state.go_on.set()
        return await asyncio.gather(*tasks)

    replies = asyncio.run(three())
    assert [reply.status for reply in replies] == [200, 200, 503]
    assert replies[2].headers["retry-after"] == "7"
    assert app.state.services.memory.held == 0
