"""Images at addresses that requests name."""

import asyncio
import json
import threading
import time

import pytest
from made_images import encoded, quadrants
from made_serve import call
from made_server import QuietHandler, QuietServer

from edgekit.errors import ImageError
from edgekit.hub import addresses
from edgekit.serve import ServeSettings, create_app, urls
from edgekit.serve.request_errors import Busy
from edgekit.serve.urls import UrlFetcher

IMAGE = encoded(quadrants(), "PNG")


class Handler(QuietHandler):
    """Sends the image at /image, redirects at /redirect, and waits at /slow until a test lets it go on."""

    server: "Server"

    def do_GET(self):  # noqa: N802  (the name that http.server calls)
        self.server.requested.append(self.path)
        if self.path == "/redirect":
            self.head(302, Location=f"http://127.0.0.2:{self.server.server_port}/image")
            return
        if self.path == "/slow":
            self.server.go_on.wait(20)
        self.head(Content_Length=len(IMAGE))
        self.wfile.write(IMAGE)


class Server(QuietServer):
    def __init__(self):
        super().__init__(Handler)
        self.requested, self.go_on = [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.delenv("EDGEKIT_OFFLINE", raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def public(monkeypatch):
    """127.0.0.1, where the local server listens, counts as a public address; 127.0.0.2 does not."""
    is_public = addresses.is_public
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or is_public(address))


def fetch(url, **options):
    return asyncio.run(UrlFetcher(**{"max_bytes": 10**6, "timeout_s": 5, **options}).fetch(url))


def test_fetch_downloads_an_image(server, public):
    assert fetch(f"{server.url}/image") == IMAGE


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("{server}/image", "'127.0.0.1' is not at a public address"),
        ("http://localhost:{port}/image", "'localhost' is not at a public address"),
        ("http://169.254.169.254/latest/meta-data/", "'169.254.169.254' is not at a public address"),
        ("http://[::ffff:127.0.0.1]:{port}/", "is not at a public address"),
        ("file:///etc/passwd", "not an http or https address"),
        ("ftp://127.0.0.1/", "not an http or https address"),
        ("http://me:secret@127.0.0.1/", "a user name or password"),
        ("http://127.0.0.1:22/", "port 22 is refused"),
        ("http://[", "Invalid IPv6 URL"),
        ("", "not an http or https address"),
        ("http://127.0.0.1:{port}/\r\nX: y", "control characters"),
    ],
)
def test_fetch_refuses_what_is_not_public_in_one_line(server, url, message):
    with pytest.raises(ImageError, match=message.replace(".", r"\.")) as caught:
        fetch(url.format(server=server.url, port=server.server_port))
    assert str(caught.value).isprintable()
    assert server.requested == []


def test_fetch_refuses_a_redirect_to_a_private_address(server, public):
    with pytest.raises(ImageError, match=r"'127\.0\.0\.2' is not at a public address"):
        fetch(f"{server.url}/redirect")
    assert server.requested == ["/redirect"]


def test_fetch_refuses_an_image_that_is_too_large(server, public):
    with pytest.raises(ImageError, match="more than the limit of 10 bytes"):
        fetch(f"{server.url}/image", max_bytes=10)


def test_fetch_gives_up_after_its_time(server, public):
    begin = time.monotonic()
    with pytest.raises(ImageError, match="timed out"):
        fetch(f"{server.url}/slow", timeout_s=0.3)
    assert time.monotonic() - begin < 5


def test_fetches_run_some_at_a_time_and_are_refused_beyond_a_queue(server, public, monkeypatch):
    monkeypatch.setattr(urls, "_MAX_WAITING", 3)
    at_a_time = urls._AT_A_TIME

    async def fetch_many():
        fetcher = UrlFetcher(max_bytes=10**6, timeout_s=20)
        tasks = [asyncio.create_task(fetcher.fetch(f"{server.url}/slow")) for _ in range(at_a_time + 4)]
        while len(server.requested) < at_a_time:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert len(server.requested) == at_a_time
        with pytest.raises(Busy):
            await tasks[-1]
        for task in tasks[:2]:
            task.cancel()  # their clients have left; the threads still wait
        await asyncio.sleep(0.1)
        assert len(server.requested) == at_a_time
        server.go_on.set()
        assert await asyncio.gather(*tasks[2:-1]) == [IMAGE] * (at_a_time + 1)

    asyncio.run(fetch_many())


def test_fetch_gives_up_waiting_for_others(server, public, monkeypatch):
    async def fetch_one_more():
        fetcher = UrlFetcher(max_bytes=10**6, timeout_s=0.3)
        fetcher._slots = asyncio.Semaphore(0)
        with pytest.raises(Busy):
            await fetcher.fetch(f"{server.url}/image")
        assert fetcher._waiting == 0

    asyncio.run(fetch_one_more())


def test_fetch_raises_a_fault_of_ours_and_goes_on(server, public, monkeypatch):
    async def fetch_after_faults():
        fetcher = UrlFetcher(max_bytes=10**6, timeout_s=5)
        with monkeypatch.context() as context:
            context.setattr(urls.WebImage, "read", lambda self, size: 1 // 0)
            for _ in range(urls._AT_A_TIME + 1):
                with pytest.raises(ZeroDivisionError):
                    await fetcher.fetch(f"{server.url}/image")
        return await fetcher.fetch(f"{server.url}/image")

    assert asyncio.run(fetch_after_faults()) == IMAGE


def test_app_fetches_urls_only_if_allowed(server, public, tiny_artifact):
    body = json.dumps({"url": f"{server.url}/image"}).encode()
    headers = {"Content-Type": "application/json"}
    refused = call(create_app(tiny_artifact), "POST", "/predict", body=body, headers=headers)
    assert (refused.status, server.requested) == (400, [])
    app = create_app(tiny_artifact, settings=ServeSettings(allow_urls=True))
    reply = call(app, "POST", "/predict", body=body, headers=headers)
    assert (reply.status, reply.json["path"]) == (200, f"{server.url}/image")
    private = json.dumps({"url": "http://127.0.0.2:8000/"}).encode()
    reply = call(app, "POST", "/predict", body=private, headers=headers)
    assert reply.status == 422
    assert reply.error == "http://127.0.0.2:8000/: '127.0.0.2' is not at a public address"
