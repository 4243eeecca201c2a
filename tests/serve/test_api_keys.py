"""API keys: the file, and requests with and without them."""

import os

import pytest
from made_serve import call
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from edgekit.errors import SpecError
from edgekit.serve import ServeSettings, create_app
from edgekit.serve.api_keys import ApiKeyCheck, others_can_read, read_api_keys
from edgekit.serve.request_errors import Unauthorized

FIRST, SECOND = "first-key-0123456789", "second+key/0123456789=="


async def hello(request):
    return PlainTextResponse("hello")


APP = ApiKeyCheck(Starlette(routes=[Route("/{path:path}", hello)]), (FIRST, SECOND), public={"/open"})


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {FIRST}"},
        {"Authorization": f"bearer  {SECOND} "},
        {"X-API-Key": SECOND},
        {"X-API-Key": FIRST, "Authorization": "Basic dXNlcjpwYXNz"},
    ],
)
def test_api_key_check_accepts_each_of_the_keys(headers):
    assert call(APP, "GET", "/predict", headers=headers).status == 200


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "an API key is needed"),
        ({"Authorization": f"Basic {FIRST}"}, "an API key is needed"),
        ({"Authorization": "Bearer"}, "the API key is not valid"),
        ({"Authorization": f"Bearer {FIRST}x"}, "the API key is not valid"),
        ({"X-API-Key": FIRST[:-1]}, "the API key is not valid"),
        ({"X-API-Key": f"{FIRST} {SECOND}"}, "the API key is not valid"),
        ({"X-API-Key": "\xe9"}, "the API key is not valid"),
        ({"Cookie": f"key={FIRST}"}, "an API key is needed"),
    ],
)
def test_api_key_check_refuses_requests_without_a_key(headers, message):
    for path in ("/predict", "/open/", "/OPEN", f"/predict?key={FIRST}"):
        with pytest.raises(Unauthorized, match=f"^{message}; send it in the header Authorization") as caught:
            call(APP, "GET", path, headers=headers)
        assert caught.value.headers == {"WWW-Authenticate": 'Bearer realm="edgekit"'}


def test_api_key_check_leaves_public_paths_open_also_below_another_app():
    assert call(APP, "GET", "/open").status == 200
    assert call(Starlette(routes=[Mount("/site", APP)]), "GET", "/site/open").status == 200


def test_app_with_keys_requires_them_for_all_but_health_and_the_page(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(api_keys=(FIRST,)))
    for path in ("/models", "/models/tiny", "/metrics", "/predict", "/no-such-path", "/v2", "/v2/models/tiny"):
        reply = call(app, "GET", path)
        assert (reply.status, reply.headers["www-authenticate"]) == (401, 'Bearer realm="edgekit"'), path
        assert reply.error.startswith("an API key is needed")
    for path in ("/", "/style.css", "/js/app.js", "/v2/health/live", "/v2/health/ready"):
        assert call(app, "GET", path).status == 200, path
    assert call(app, "GET", "/models", headers={"X-API-Key": FIRST}).status == 200


def test_read_api_keys_reads_one_key_per_line(tmp_path):
    (tmp_path / "keys").write_bytes(f"# of the camera\r\n{FIRST}\r\n\n  {SECOND}  \n".encode())
    assert read_api_keys(tmp_path / "keys") == (FIRST, SECOND)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no key"),
        (b"# none\n\n", "has no key"),
        (b"short\n", "line 1: a key must have 16 to 512"),
        (f"{FIRST}\nwith a space 0123456789\n".encode(), "line 2: a key must have"),
        (b"a" * 600, "line 1: a key must have"),
        (b"\xff" * 20, "line 1: a key must have"),
        (b"a" * 2**21, "more than the limit"),
    ],
)
def test_read_api_keys_refuses_other_files_and_shows_no_key(tmp_path, content, message):
    (tmp_path / "keys").write_bytes(content)
    with pytest.raises(SpecError, match=message) as caught:
        read_api_keys(tmp_path / "keys")
    for key in (FIRST, "short", "0123456789", "aaaa"):
        assert key not in str(caught.value)


def test_read_api_keys_refuses_what_is_not_a_file(tmp_path):
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(SpecError):
            read_api_keys(path)


def test_others_can_read_tells_files_that_are_not_private(tmp_path):
    path = tmp_path / "keys"
    path.write_text(FIRST)
    for mode, expected in ((0o600, False), (0o400, False), (0o640, True), (0o604, True), (0o644, True)):
        os.chmod(path, mode)  # noqa: PTH101
        assert others_can_read(path) is expected
