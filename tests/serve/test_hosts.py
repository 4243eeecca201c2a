"""The Host header, and pages that reach for a server on the machine of their reader."""

import pytest
from made_serve import call
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from edgekit.serve.hosts import HostCheck, HostRefused, is_loopback


async def hello(request):
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8000", "LocalHost", "localhost.", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:80"),
        *("192.168.1.7:8000", "[fe80::1]", "edge.example", "EDGE.example:443"),
    ],
)
def test_host_check_accepts_localhost_addresses_and_allowed_names(host):
    assert call(HostCheck(APP, ("Edge.example",)), "GET", "/", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "edge.example.evil"),
        *("sub.edge.example", "", "[evil.example]", "127.0.0.1@evil.example", "2130706433", "0x7f.1", "\xe9"),
    ],
)
def test_host_check_refuses_all_other_names(host):
    with pytest.raises(HostRefused, match=r"^host .* is refused; use localhost or the IP address") as caught:
        call(HostCheck(APP, ("edge.example",)), "GET", "/", headers={"Host": host})
    assert caught.value.status == 421


def test_host_check_accepts_a_request_of_http_1_0_without_host():
    assert call(HostCheck(APP), "GET", "/").status == 200


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True)),
        *(("0.0.0.0", False), ("::", False), ("192.168.1.7", False), ("edge.example", False)),
    ],
)
def test_is_loopback_tells_addresses_of_this_machine_from_others(host, expected):
    assert is_loopback(host) is expected
