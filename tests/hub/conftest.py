"""Fixtures of the hub tests: a local server, and an environment without proxies and settings."""

import threading
from collections.abc import Iterator

import pytest
from made_server import Server


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "EDGEKIT_OFFLINE", "EDGEKIT_HOME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
