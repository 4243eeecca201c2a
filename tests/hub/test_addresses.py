"""Which addresses a request may reach: at its start, after redirects, and after resolving names."""

import ipaddress
import socket

import pytest
from made_images import encoded, quadrants
from made_server import serve, serve_status

from edgekit.errors import WeightsError
from edgekit.hub import addresses
from edgekit.hub.addresses import AddressRefused, Reach, is_public
from edgekit.hub.connection import request

IMAGE = encoded(quadrants(), "PNG")


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:2800:21f:cb07::1", "2a00:1450:4001::200e"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
    ],
)
def test_is_public_accepts_addresses_of_the_internet(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1"),
        *("2002:7f00:1::1", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:80ff:fffe"),
    ],
)
def test_is_public_refuses_all_others(address):
    assert not is_public(address)


def test_is_public_refuses_every_special_network_of_the_registry():
    """IANA's special-purpose registries (RFC 6890 and its updates), those that are not globally reachable."""
    special = "0/8 10/8 100.64/10 127/8 169.254/16 172.16/12 192.0.0/24 192.0.2/24 192.168/16 198.18/15 198.51.100/24"
    for text in [*special.split(), "203.0.113/24", "240/4"]:
        base, length = text.split("/")
        network = ipaddress.ip_network(f"{base}{'.0' * (3 - base.count('.'))}/{length}")
        for inside in (network[1], network[network.num_addresses // 2], network[-1]):
            if str(inside) not in ("192.0.0.9", "192.0.0.10", "192.0.0.128", "192.0.0.255"):
                assert not is_public(str(inside)), inside


@pytest.fixture
def public_loopback(monkeypatch):
    """127.0.0.1 counts as a public address; the rest of 127.0.0.0/8, where the local server listens too, is private."""
    monkeypatch.setattr(addresses, "is_public", lambda address: address == "127.0.0.1" or is_public(address))


def get(url, **options):
    with request(url, {}, silence_s=5, stall_s=5, total_s=10, **options) as response:
        return response.read()


def serve_image(handler):
    serve(handler, IMAGE)


def test_request_reaches_the_private_address_that_the_user_named(server):
    server.script = [serve_status(302, Location="/elsewhere"), serve_image]
    assert get(server.url) == IMAGE


def test_request_refuses_a_redirect_from_a_public_address_to_a_private_one(server, public_loopback):
    target = f"http://127.0.0.2:{server.server_port}/secret?token=1"
    for location in (target, "http://10.0.0.1/", "http://[::ffff:169.254.169.254]/latest", "http://0x7f000002/"):
        server.script = [serve_status(302, Location=location), serve_image]
        server.requests.clear()
        with pytest.raises(WeightsError, match="redirects from a public address to a private one") as caught:
            get(server.url)
        assert len(server.requests) == 1
        assert str(caught.value).startswith(server.url)


def test_request_follows_a_redirect_from_a_public_address_to_a_public_one(server, public_loopback):
    server.script = [serve_status(302, Location=f"http://127.0.0.1:{server.server_port}/next"), serve_image]
    assert get(server.url) == IMAGE
    assert get(server.url, public_only=True) == IMAGE


def test_request_for_public_addresses_refuses_private_ones_before_it_connects(server):
    port = server.server_port
    for host in ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "0"):
        with pytest.raises(WeightsError, match="is not at a public address"):
            get(f"http://{host}:{port}/", public_only=True)
    assert server.requests == []


def test_request_for_public_addresses_refuses_a_redirect_to_a_private_one(server, public_loopback):
    server.script = [serve_status(307, Location=f"http://127.0.0.2:{server.server_port}/"), serve_image]
    with pytest.raises(WeightsError, match=r"'127\.0\.0\.2' is not at a public address"):
        get(server.url, public_only=True)
    assert len(server.requests) == 1


def test_request_for_public_addresses_ignores_proxies(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    with pytest.raises(WeightsError, match="is not at a public address"):
        get("http://127.0.0.2:1024/", public_only=True)
    assert server.requests == []


def test_request_through_a_proxy_refuses_a_redirect_to_a_private_literal(server, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    for location in ("http://169.254.169.254/latest", "http://[::1]/", "http://localhost/"):
        server.script = [serve_status(302, Location=location), serve_image]
        server.requests.clear()
        with pytest.raises(WeightsError, match="redirects from a public address to a private one"):
            get("http://images.example/photo.png")
        assert [path for path, _ in server.requests] == ["http://images.example/photo.png"]


def test_reach_connects_to_the_address_that_it_checked(server, public_loopback, monkeypatch):
    """A name server that returns a public address first and a private one afterwards gains nothing."""
    queries = []

    def resolve(host, port, *arguments, **named):
        queries.append(host)
        address = "127.0.0.1" if len(queries) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, server.server_port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with Reach(public_only=True).connect(("rebinding.example", server.server_port), 5) as connection:
        assert connection.getpeername()[0] == "127.0.0.1"
    assert queries == ["rebinding.example"]


def test_reach_refuses_a_name_of_which_any_address_is_private(public_loopback, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("127.0.0.1", "127.0.0.2")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
    with pytest.raises(AddressRefused):
        Reach(public_only=True).connect(("both.example", 80))


@pytest.mark.parametrize("port", [22, 25, 1023])
def test_reach_for_public_addresses_refuses_ports_of_other_services(port):
    with pytest.raises(AddressRefused, match=f"port {port} is refused"):
        Reach(public_only=True).connect(("images.example", port))


@pytest.mark.parametrize("port", [0, 65536 + 22, 2 * 65536 + 80])
def test_reach_refuses_a_port_that_does_not_exist(port):
    """`getaddrinfo` would take 65558 as 22."""
    for public_only in (False, True):
        with pytest.raises(AddressRefused, match=f"port {port} "):
            Reach(public_only=public_only).connect(("127.0.0.1", port))


def test_reach_tries_no_further_address_after_its_time(monkeypatch):
    now, tried = [0.0], []

    class Silent(socket.socket):
        def connect(self, address):
            tried.append(address)
            now[0] += 10
            raise TimeoutError

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"8.8.8.{last}", 80)) for last in range(200)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
    monkeypatch.setattr(socket, "socket", Silent)
    monkeypatch.setattr(addresses.time, "monotonic", lambda: now[0])
    with pytest.raises(TimeoutError):
        Reach(until=25).connect(("example.org", 80), 10)
    assert len(tried) == 3
