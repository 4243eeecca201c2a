"""GET /openapi.json: every path of the server, its parameters, bodies and responses, as OpenAPI 3.1.

A test compares the document with the app's routes, and real responses with its schemas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.serve import page
from edgekit.serve.inference_protocol import HEALTH, JSON_LENGTH
from edgekit.serve.openapi_schemas import BINARY, SCHEMAS, Schema, reference
from edgekit.serve.responses import JSON, NDJSON, json_response
from edgekit.serve.services import services_of
from edgekit.serve.settings import ServeSettings
from edgekit.version import __version__

Operation: TypeAlias = dict[str, Any]
Content: TypeAlias = Mapping[str, Schema]

_OCTETS = "application/octet-stream"
_TITLES = {
    400: "The request is malformed, or an argument is not valid.",
    401: "The request has no valid key.",
    404: "There is no such model, or no such version of it.",
    408: "The body did not arrive in time.",
    413: "The body, or what it contains, exceeds a limit.",
    415: "The body is compressed.",
    421: "The server does not serve the host in the header Host.",
    422: "An image cannot be read, or is refused.",
    500: "An error of the server, described in its log.",
    503: "The server is busy.",
    504: "The result was not ready in time.",
}
_ALWAYS = (400, 421, 500)
_OF_BODIES = (408, 413, 415, 422, 503, 504)
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_IMAGE: Content = {"image/*": BINARY, _OCTETS: BINARY}


def openapi_document(settings: ServeSettings, *, models: tuple[str, ...], root: str = "") -> dict[str, Any]:
    """The OpenAPI document of a server.

    Args:
        settings: which paths there are, and whether they need a key.
        models: names of the models, the default first.
        root: path below which the app is mounted.
    """
    paths = {
        **_prediction_paths(models),
        **_model_paths(models),
        **_protocol_paths(models),
        **_server_paths(),
        **(_page_paths() if settings.page else {}),
    }
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "edgekit",
            "version": __version__,
            "summary": "Image classification.",
            "description": "Errors are one line of JSON. Another path gets 404, another method 405; a connection that "
            "breaks the rules of HTTP gets 400, 408, 431 or 503 and is closed.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": root or "/"}],
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }
    if settings.api_keys:
        _add_security(document)
    return document


async def show_openapi(request: Request) -> Response:
    """The document of this server."""
    services = services_of(request)
    root = request.scope.get("root_path", "")
    return json_response(openapi_document(services.settings, models=services.models.names(), root=root))


def operation(
    summary: str,
    success: Content,
    *,
    parameters: tuple[Schema, ...] = (),
    body: Content | None = None,
    headers: Schema | None = None,
    errors: tuple[int, ...] = (),
) -> Operation:
    """The description of what a path does with one method.

    Args:
        summary: one sentence.
        success: schemas of the response with status 200 by content type.
        parameters: of the path and the query, and headers.
        body: schemas of the request's body by content type.
        headers: of the response with status 200.
        errors: statuses beside those that every operation may have.
    """
    statuses = sorted({*_ALWAYS, *errors, *(_OF_BODIES if body else ())})
    responses: dict[str, Any] = {"200": {"description": "OK", "content": _content(success)}}
    if headers:
        responses["200"]["headers"] = headers
    for status in statuses:
        responses[str(status)] = {"description": _TITLES[status], "content": _content({JSON: reference("Error")})}
    if "503" in responses:
        responses["503"]["headers"] = _RETRY_AFTER
    described: Operation = {"summary": summary, "parameters": list(parameters), "responses": responses}
    return described | ({"requestBody": {"required": True, "content": _content(body)}} if body else {})


def _content(schemas: Content) -> dict[str, Schema]:
    return {kind: {"schema": schema} for kind, schema in schemas.items()}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _name(models: tuple[str, ...]) -> Schema:
    return {"name": "name", "in": "path", "required": True, "schema": {"enum": list(models)}}


def _prediction_paths(models: tuple[str, ...]) -> dict[str, Any]:
    model = _query("model", {"enum": list(models)}, "Name of the model; by default the first.")
    top = _query("top", {"type": "integer", "minimum": 1}, "Number of classes; by default 5, or 1 for several images.")
    crops = _query("crops", {"type": "string"}, "Crop plan, as for `edgekit predict --crops`; by default one crop.")
    index = _query("class", {"type": "integer", "minimum": 0}, "Index of the class; by default the predicted one.")
    bodies = {
        **_IMAGE,
        "multipart/form-data": reference("ImageForm"),
        JSON: reference("ImagesInJson"),
    }
    several = {"type": "string", "description": "A `Line` for each image, in order."}
    timing = {"Server-Timing": {"description": "Milliseconds in the queue and at work.", "schema": {"type": "string"}}}
    return {
        "/predict": {
            "post": operation(
                "Classify images.",
                {JSON: reference("Prediction"), NDJSON: several},
                parameters=(model, top, crops),
                body=bodies,
                headers=timing,
                errors=(404,),
            )
        },
        "/heat-map": {
            "post": operation(
                "Draw where the network sees evidence for a class.",
                {"image/png": BINARY},
                parameters=(model, index),
                body=_IMAGE,
                errors=(404,),
            )
        },
    }


def _model_paths(models: tuple[str, ...]) -> dict[str, Any]:
    one = operation(
        "Show what the file of a model states.",
        {JSON: reference("ModelDocument")},
        parameters=(_name(models),),
        errors=(404,),
    )
    return {
        "/models": {"get": operation("List the models.", {JSON: reference("Models")})},
        "/models/{name}": {"get": one},
    }


def _protocol_paths(models: tuple[str, ...]) -> dict[str, Any]:
    """The Open Inference Protocol."""
    paths = {
        "/v2": _got("Show name, version and extensions of the server.", "ServerMetadata"),
        "/v2/health/live": _got("Show whether the server runs.", "ServerLive"),
        "/v2/health/ready": _got("Show whether the models are loaded.", "ServerReady"),
    }
    length = {
        "name": JSON_LENGTH,
        "in": "header",
        "schema": {"type": "integer", "minimum": 0},
        "description": "Bytes of JSON at the start of the body, if a binary tensor follows.",
    }
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string"}}
    for base, ids in (
        ("/v2/models/{name}", (_name(models),)),
        ("/v2/models/{name}/versions/{version}", (_name(models), version)),
    ):
        paths[base] = _got("Show inputs and outputs of a model.", "ModelMetadata", parameters=ids, errors=(404,))
        paths[f"{base}/ready"] = _got("Show whether a model is loaded.", "ModelReady", parameters=ids, errors=(404,))
        paths[f"{base}/infer"] = {
            "post": operation(
                "Classify images or pixels.",
                {JSON: reference("InferResponse"), _OCTETS: BINARY},
                parameters=(*ids, length),
                body={JSON: reference("InferRequest"), _OCTETS: BINARY},
                headers={JSON_LENGTH: {"description": length["description"], "schema": length["schema"]}},
                errors=(404,),
            )
        }
    return paths


def _got(summary: str, schema: str, **details: Any) -> dict[str, Operation]:
    return {"get": operation(summary, {JSON: reference(schema)}, **details)}


def _server_paths() -> dict[str, Any]:
    figures = {"text/plain": {"type": "string"}}
    return {
        "/metrics": {"get": operation("Show the figures of the server in the text format of Prometheus.", figures)},
        "/openapi.json": {"get": operation("Show this document.", {JSON: {"type": "object"}})},
    }


def _page_paths() -> dict[str, Any]:
    """The files of the page, which browsers may have already."""
    paths: dict[str, Any] = {}
    for route in page.routes:
        media_type = page.media_type(route.path)
        described = operation("Show a file of the page.", {media_type: {"type": "string"}})
        described["responses"]["304"] = {"description": "The file is as the client has it."}
        paths[route.path] = {"get": described}
    return paths


def _add_security(document: dict[str, Any]) -> None:
    """Describe the keys, and which paths need none."""
    public = {*HEALTH, *(route.path for route in page.routes)}
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    document["security"] = [{"bearer": []}, {"header": []}]
    for path, item in document["paths"].items():
        for described in item.values():
            if path in public:
                described["security"] = []
            else:
                described["responses"]["401"] = {
                    "description": _TITLES[401],
                    "content": _content({JSON: reference("Error")}),
                }


routes = [Route("/openapi.json", show_openapi)]
