import io
import sys

import pytest
from starlette.exceptions import HTTPException

from edgekit.cli.render import write_json
from edgekit.errors import ArtifactError, ImageError, SpecError
from edgekit.serve.request_errors import Busy, MethodNotAllowed, NotFound
from edgekit.serve.responses import error_response, json_response, kind_of, message_of, ndjson_response, request_error


def test_json_line_is_what_commands_print(monkeypatch):
    document = {"label": "Schraube ä\u2028", "probability": 0.1 + 0.2, "unknown": None}
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    write_json(document)
    assert json_response(document).body.decode() == sys.stdout.getvalue()
    assert ndjson_response([document, document]).body.decode() == sys.stdout.getvalue() * 2


def test_responses_are_neither_guessed_nor_stored():
    for response in (json_response({}), ndjson_response([]), error_response(SpecError("x"))):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (ImageError("x"), 422, "image"),
        (SpecError("x"), 400, "request"),
        (NotFound("x"), 404, "not_found"),
        (Busy("x", retry_after_s=3), 503, "busy"),
    ],
)
def test_error_has_status_and_kind(error, status, kind):
    response = error_response(error)
    assert (response.status_code, kind_of(error)) == (status, kind)
    assert response.body == b'{"error": "x"}\n'
    assert response.headers.get("retry-after") == ("3" if kind == "busy" else None)


@pytest.mark.parametrize(
    "error", [ArtifactError("secret-folder/model.onnx: broken"), KeyError("secret"), MemoryError()]
)
def test_fault_of_the_server_reveals_nothing(error):
    response = error_response(error)
    assert (response.status_code, kind_of(error)) == (500, "internal")
    assert response.body == b'{"error": "internal error; the server\'s log has the reason"}\n'


def test_message_names_parameters_of_requests():
    assert message_of(SpecError("choose another `plan`; run `edgekit crops`")) == (
        "choose another `crops`; run `edgekit crops`"
    )
    assert message_of(SpecError("`top` must be\nan integer")) == r"`top` must be\nan integer"


def test_errors_of_the_router_become_ours():
    wrong = request_error(HTTPException(405, headers={"Allow": "POST, GET"}), method="PUT", path="/predict")
    assert isinstance(wrong, MethodNotAllowed)
    assert str(wrong) == "/predict does not allow PUT; use GET, POST"
    assert wrong.headers == {"Allow": "GET, POST"}
    assert isinstance(request_error(HTTPException(404), method="GET", path="/x"), NotFound)
