import base64
import json
import re

import pytest
from jsonschema import Draft202012Validator
from made_images import encoded, quadrants
from made_models import featured_model, model_with_maps, write_tiny
from made_serve import call, form

from edgekit.serve import ServeSettings, create_app
from edgekit.serve.openapi import openapi_document
from edgekit.serve.openapi_schemas import SCHEMAS

IMAGE = encoded(quadrants(), "PNG")
KEY = "0123456789abcdef"
INFER = {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(IMAGE).decode()]}]}


@pytest.fixture(scope="module")
def app(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, max_images=2, max_body_bytes=10_000))
    yield app
    app.state.services.close()


@pytest.fixture(scope="module")
def document(app):
    return call(app, "GET", "/openapi.json").json


def described(app):
    """The paths and methods of the document."""
    paths = call(app, "GET", "/openapi.json").json["paths"]
    return {(path, method.upper()) for path, item in paths.items() for method in item}


def routed(app):
    """Those of the app; HEAD comes with GET."""
    return {(route.path, method) for route in app.routes for method in route.methods - {"HEAD"}}


def test_document_has_every_route_and_no_other(app):
    assert described(app) == routed(app)


def test_document_of_a_server_without_a_page_has_no_page(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(page=False))
    assert described(app) == routed(app)
    assert ("/", "GET") not in described(app)
    app.state.services.close()


def test_document_refers_to_schemas_that_exist_and_are_valid(document):
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert names <= SCHEMAS.keys()
    assert SCHEMAS.keys() - names == {"Line"}  # what NDJSON consists of, which OpenAPI cannot state
    Draft202012Validator.check_schema({"$defs": SCHEMAS})
    for item in document["paths"].values():
        for operation in item.values():
            for parameter in operation["parameters"]:
                Draft202012Validator.check_schema(parameter["schema"])


def test_document_names_path_parameters(document):
    for path, item in document["paths"].items():
        for operation in item.values():
            named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


def validator(document, schema):
    return Draft202012Validator(schema | {"components": document["components"]})


def check(app, document, method, path, *, template=None, **request):
    """Send a request and compare the response with what the document states."""
    reply = call(app, method, path, **request)
    operation = document["paths"][template or path.partition("?")[0]][method.lower()]
    assert str(reply.status) in operation["responses"], reply
    response = operation["responses"][str(reply.status)]
    if "content" in response:
        media_type = reply.headers["content-type"].partition(";")[0]
        schema = response["content"][media_type]["schema"]
        body = reply.json if media_type == "application/json" else reply.body.decode("latin-1")
        validator(document, schema).validate(body)
    for name in response.get("headers", {}):
        if reply.status != 200:
            assert name.lower() in reply.headers
    return reply


@pytest.mark.parametrize(
    "path", ["/models", "/v2", "/v2/health/live", "/v2/health/ready", "/metrics", "/openapi.json", "/", "/js/app.js"]
)
def test_gets_return_what_the_document_states(app, document, path):
    assert check(app, document, "GET", path).status == 200


@pytest.mark.parametrize("end", ["", "/ready"])
def test_models_return_what_the_document_states(app, document, end):
    model = "/v2/models/{name}" + end
    version = call(app, "GET", "/v2/models/tiny").json["versions"][0]
    versioned = "/v2/models/{name}/versions/{version}" + end
    assert check(app, document, "GET", f"/v2/models/tiny{end}", template=model).status == 200
    assert check(app, document, "GET", f"/v2/models/no{end}", template=model).status == 404
    path = f"/v2/models/tiny/versions/{version}{end}"
    assert check(app, document, "GET", path, template=versioned).status == 200
    assert check(app, document, "GET", f"/v2/models/tiny/versions/0{end}", template=versioned).status == 404
    assert check(app, document, "GET", "/models/tiny", template="/models/{name}").status == 200
    assert check(app, document, "GET", "/models/no", template="/models/{name}").status == 404


@pytest.mark.parametrize(
    ("query", "body", "headers", "status"),
    [
        ("?top=3", IMAGE, {}, 200),
        ("?crops=flip", json.dumps({"image": base64.b64encode(IMAGE).decode()}).encode(), {"json": ""}, 200),
        ("", *form(("a.png", IMAGE), ("b.png", b"broken")), 200),
        ("?top=0", IMAGE, {}, 400),
        ("?tap=1", IMAGE, {}, 400),
        ("", b"[]", {"json": ""}, 400),
        ("?model=no", IMAGE, {}, 404),
        ("", bytes(10_001), {}, 413),
        ("", IMAGE, {"Content-Encoding": "gzip"}, 415),
        ("", b"not an image", {}, 422),
    ],
)
def test_predict_returns_what_the_document_states(app, document, query, body, headers, status):
    headers = {"Content-Type": "application/json"} if "json" in headers else headers
    reply = check(app, document, "POST", f"/predict{query}", body=body, headers=headers)
    assert reply.status == status
    if reply.headers["content-type"] == "application/x-ndjson":
        for line in reply.lines:
            validator(document, document["components"]["schemas"]["Line"]).validate(line)


@pytest.mark.parametrize(
    ("body", "status"), [(json.dumps(INFER).encode(), 200), (b"{", 400), (b"[" * 10_001, 413), (b"", 400)]
)
def test_infer_returns_what_the_document_states(app, document, body, status):
    template = "/v2/models/{name}/infer"
    assert check(app, document, "POST", "/v2/models/tiny/infer", template=template, body=body).status == status
    if status == 200:
        validator(document, document["components"]["schemas"]["InferRequest"]).validate(json.loads(body))


def test_infer_with_binary_outputs_returns_what_the_document_states(app, document):
    template, body = "/v2/models/{name}/infer", {**INFER, "parameters": {"binary_data_output": True}}
    validator(document, document["components"]["schemas"]["InferRequest"]).validate(body)
    reply = check(app, document, "POST", "/v2/models/tiny/infer", template=template, body=json.dumps(body).encode())
    head = reply.body[: int(reply.headers["inference-header-content-length"])]
    validator(document, document["components"]["schemas"]["InferResponse"]).validate(json.loads(head))


def test_busy_servers_return_what_the_document_states(tiny_artifact, document):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, max_held_bytes=len(IMAGE) - 1))
    assert check(app, document, "POST", "/predict", body=IMAGE).status == 503
    app.state.services.close()


def test_heat_maps_return_what_the_document_states(tmp_path, app, document):
    assert check(app, document, "POST", "/heat-map", body=IMAGE).status == 400  # the tiny model has no maps
    mapped = create_app(write_tiny(tmp_path / "mapped.onnx", model_with_maps()), settings=ServeSettings(threads=1))
    assert check(mapped, document, "POST", "/heat-map?class=1", body=IMAGE).status == 200
    mapped.state.services.close()


def test_document_of_a_server_with_keys_states_which_paths_need_none(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1, api_keys=(KEY,)))
    headers = {"Authorization": f"Bearer {KEY}"}
    document = call(app, "GET", "/openapi.json", headers=headers).json
    version = call(app, "GET", "/v2/models/tiny", headers=headers).json["versions"][0]
    for template, item in document["paths"].items():
        path = template.replace("{name}", "tiny").replace("{version}", version)
        for method, operation in item.items():
            reply = call(app, method.upper(), path)
            assert (reply.status == 401) is ("401" in operation["responses"]) is (operation.get("security") != [])
            if reply.status == 401:
                check(app, document, method.upper(), path, template=template)
    app.state.services.close()


def test_document_of_a_mounted_app_names_its_root():
    assert openapi_document(ServeSettings(), models=("a",), root="/classifier")["servers"] == [{"url": "/classifier"}]
    assert openapi_document(ServeSettings(), models=("a",))["servers"] == [{"url": "/"}]


def test_document_lists_the_models(tmp_path):
    app = create_app(write_tiny(tmp_path / "a.onnx"), write_tiny(tmp_path / "b.onnx", featured_model()))
    parameters = call(app, "GET", "/openapi.json").json["paths"]["/predict"]["post"]["parameters"]
    assert parameters[0]["schema"] == {"enum": ["a", "b"]}
    app.state.services.close()
