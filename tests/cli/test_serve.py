"""`edgekit serve`: from its options to what the server gets; one request to a real process."""

import http.client
import logging

import pytest
from made_connections import server_process
from made_images import encoded, quadrants

from edgekit.serve import server
from edgekit.serve.metrics import MAX_COLUMNS
from edgekit.serve.shared_values import SharedValues

KEY = "0123456789abcdef0123"


@pytest.fixture
def served(monkeypatch):
    """What `serve` is called with, in place of serving: settings and options, as soon as a command has ended."""
    calls = []

    def serve(create, *, options):
        calls.append((create(SharedValues(1, MAX_COLUMNS), 0).state.services.settings, options))

    monkeypatch.setattr(server, "serve", serve)
    loggers = [logging.getLogger(name) for name in ("", "edgekit.serve", "uvicorn")]
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    yield calls
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)


def test_serve_predicts_over_http_and_ends_with_status_0(tiny_artifact):
    with server_process(tiny_artifact, "--access-log") as process:
        connection = http.client.HTTPConnection(*process.address, timeout=20)
        connection.request("POST", "/predict?top=2", encoded(quadrants(), "PNG"))
        response = connection.getresponse()
        assert response.status == 200
        assert b'"model": "tiny"' in response.read()
        connection.close()
        assert process.end() == 0
    started, request = process.lines
    assert started["message"] == f"serving tiny at http://127.0.0.1:{connection.port}"
    assert started["pid"] == process.process.pid
    assert (request["method"], request["target"], request["status"]) == ("POST", "/predict?top=2", 200)


def test_serve_passes_its_options_on(edgekit, tiny_artifact, served):
    code, _, err = edgekit(
        *("serve", tiny_artifact, "--port", 8123, "--workers", 3, "--grace", 5, "--threads", 4, "--queue", 7),
        *("--deadline", 9, "--body-timeout", 8, "--max-bytes", 1000, "--max-images", 2, "--max-pixels", 100),
        *("--allow-urls", "--reload-models", "--no-page", "--access-log", "--log-json"),
    )
    assert (code, err) == (0, "")
    ((settings, options),) = served
    assert (options.host, options.port, options.workers, options.grace_s) == ("127.0.0.1", 8123, 3, 5)
    assert (settings.threads, settings.queue, settings.deadline_s, settings.body_timeout_s) == (4, 7, 9, 8)
    assert (settings.max_body_bytes, settings.max_images, settings.max_pixels) == (1000, 2, 100)
    assert settings.allow_urls
    assert settings.reload_models
    assert settings.access_log
    assert not settings.page


def test_serve_divides_the_cores_among_its_processes(edgekit, tiny_artifact, served, monkeypatch):
    monkeypatch.setenv("EDGEKIT_NUM_THREADS", "8")
    for workers in (1, 3, 20):
        assert edgekit("serve", tiny_artifact, "--workers", workers)[0] == 0
    assert [settings.threads for settings, _ in served] == [8, 2, 1]


@pytest.mark.parametrize(
    ("arguments", "hosts"),
    [
        ((), ()),
        (("--host", "localhost"), ()),
        (("--host", "::1"), ()),
        (("--host", "0.0.0.0"), None),
        (("--api-key-file", "KEYS"), None),
        (("--allow-host", "a.example", "--allow-host", "b.example"), ("a.example", "b.example")),
        (("--host", "0.0.0.0", "--allow-host", "a.example"), ("a.example",)),
    ],
)
def test_serve_checks_the_host_of_requests_unless_others_may_connect(
    edgekit, tiny_artifact, served, tmp_path, arguments, hosts
):
    (tmp_path / "keys").write_text(KEY)
    (tmp_path / "keys").chmod(0o600)
    arguments = [tmp_path / "keys" if argument == "KEYS" else argument for argument in arguments]
    code, _, err = edgekit("serve", tiny_artifact, *arguments)
    ((settings, _),) = served
    assert (code, settings.hosts) == (0, hosts)
    assert settings.api_keys == ((KEY,) if "--api-key-file" in arguments else ())
    is_exposed = "0.0.0.0" in arguments
    assert err.count("\n") == is_exposed
    assert ("warning: anyone who can connect to 0.0.0.0 can use this server" in err) is is_exposed


def test_serve_warns_of_keys_that_others_can_read(edgekit, tiny_artifact, served, tmp_path):
    path = tmp_path / "keys"
    path.write_text(KEY)
    path.chmod(0o644)
    _, _, err = edgekit("serve", tiny_artifact, "--host", "0.0.0.0", "--api-key-file", path)
    (line,) = err.splitlines()
    assert line.endswith(f"warning: {path}: other users can read the keys; run: chmod 600 {path}")
    assert KEY not in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workers", "0"), "--workers"),
        (("--port", "70000"), "--port"),
        (("--grace", "-1"), "--grace"),
        (("--queue", "-1"), "--queue"),
        (("--api-key-file", "no-such-file"), "no-such-file: cannot be opened"),
    ],
)
def test_serve_refuses_other_options_in_one_line(edgekit, tiny_artifact, served, arguments, message):
    code, _, err = edgekit("serve", tiny_artifact, *arguments)
    assert code != 0
    assert err.count("\n") == 1
    assert message in err
    assert served == []
