"""Images at addresses, from a local server that can misbehave."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from made_images import encoded, quadrants
from made_server import QuietHandler, QuietServer

from edgekit.errors import ImageError
from edgekit.hub.web_image import WebImage
from edgekit.image.decode_limits import ImageLimits
from edgekit.image.load import load_image

IMAGE = encoded(quadrants(), "PNG")
DRIP_S = 0.05


class Handler(QuietHandler):
    """Responds to each path with the method of its name."""

    server: "Server"

    def do_GET(self):  # noqa: N802  (the name that http.server calls)
        self.server.requested.append(self.path)
        getattr(self, self.path.strip("/").replace("-", "_"))()

    def good(self):
        self.head(Content_Length=len(IMAGE))
        self.wfile.write(IMAGE)

    def without_length(self):
        self.head()
        self.wfile.write(IMAGE)

    def moved(self):
        self.head(302, Location="/good")

    def to_a_file(self):
        self.head(302, Location="file:///etc/passwd")

    def in_a_circle(self):
        self.head(302, Location="/in-a-circle")

    def absent(self):
        self.head(404)

    def huge(self):
        self.head(Content_Length=10**12)

    def endless(self):
        self.head()
        while not self.server.ended.is_set():
            self.wfile.write(bytes(2**16))

    def dripping(self):
        """Send without end, fast enough not to be a stall."""
        self.head(Content_Length=10**7)
        while not self.server.ended.wait(DRIP_S):
            self.wfile.write(bytes(2**12))

    def cut(self):
        self.head(Content_Length=len(IMAGE))
        self.wfile.write(IMAGE[:20])

    def page(self):
        self.head()
        self.wfile.write(b"<html>\x1b[31m")


class Server(QuietServer):
    def __init__(self):
        super().__init__(Handler)
        self.requested, self.ended = [], threading.Event()


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    for name in ("http_proxy", "all_proxy", "EDGEKIT_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


def web_image(server, path, **options):
    return WebImage(f"http://127.0.0.1:{server.server_port}/{path}", **options)


@pytest.mark.parametrize("path", ["good", "without-length", "moved"])
def test_web_image_downloads_the_image_once(server, path):
    source = web_image(server, path)
    assert server.requested == []
    np.testing.assert_array_equal(np.asarray(load_image(source).pixels), np.asarray(quadrants()))
    requests = len(server.requested)
    source.seek(0)
    np.testing.assert_array_equal(np.asarray(load_image(source).pixels), np.asarray(quadrants()))
    assert len(server.requested) == requests


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("to-a-file", "file:///etc/passwd"),
        ("in-a-circle", "not followed"),
        ("absent", "404 Not Found"),
        ("huge", "limit of 100000 bytes"),
        ("endless", "limit of 100000 bytes"),
        ("cut", "cut"),
        ("page", "not an image"),
    ],
)
def test_web_image_refuses_other_responses_in_one_line(server, path, message):
    source = web_image(server, path, timeout_s=20)
    with pytest.raises(ImageError, match=message) as caught:
        load_image(source, limits=ImageLimits(max_bytes=100_000))
    assert str(caught.value).startswith(source.name)
    assert str(caught.value).isprintable()


def test_web_image_takes_no_longer_than_its_timeout(server):
    start = time.monotonic()
    with pytest.raises(ImageError, match=r"took longer than 0\.5 s"):
        load_image(web_image(server, "dripping", timeout_s=0.5))
    assert time.monotonic() - start < 10


def test_web_image_requests_nothing_offline_and_nothing_but_http(server, monkeypatch):
    for wrong in ("ftp://127.0.0.1/x", "http://", "http://user@[bad"):
        with pytest.raises(ImageError):
            load_image(WebImage(wrong))
    with pytest.raises(ImageError, match="a user name or password, which is not sent") as caught:
        load_image(WebImage("http://me:secret@127.0.0.1/x"))
    assert str(caught.value).count("secret") == 1  # only in the address, as the caller passed it
    monkeypatch.setenv("EDGEKIT_OFFLINE", "1")
    with pytest.raises(ImageError, match="EDGEKIT_OFFLINE"):
        load_image(web_image(server, "good"))
    assert server.requested == []
