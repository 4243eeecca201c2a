"""The Open Inference Protocol, version 2, at /v2: for clients of KServe, Triton and other servers.

A model has two inputs, of which a request has one: `pixels`, what its network takes, or `image`, encoded images that
are decoded and cut as for `edgekit predict`. Outputs are the logits and the probabilities of each image.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.errors import SpecError, must_be, unknown
from edgekit.preprocess.scores import class_probabilities, with_temperature
from edgekit.serve.bodies import disconnection, received_body
from edgekit.serve.image_bodies import ImageFile
from edgekit.serve.infer_request import InferRequest, Output, parse_request
from edgekit.serve.models import ServedModel
from edgekit.serve.request_errors import NotFound
from edgekit.serve.responses import JSON, PRIVATE_HEADERS, json_response
from edgekit.serve.services import Services, services_of
from edgekit.serve.tensors import BYTES, UINT8, Values, elements, largest, pixels, response
from edgekit.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from edgekit.image.source import Pixels
    from edgekit.runtime.classifier import Classifier

EXTENSIONS = ("binary_tensor_data", "classification")
PIXELS, IMAGE = "pixels", "image"
OUTPUTS = {"logits": "FP32", "probabilities": "FP64"}
HEALTH = ("/v2/health/live", "/v2/health/ready")
JSON_LENGTH = "Inference-Header-Content-Length"
_MAX_DIGITS = 12


class Scores(NamedTuple):
    """The outputs of one image, by their names: float32 and float64 (classes,)."""

    logits: npt.NDArray[np.float32]
    probabilities: npt.NDArray[np.float64]


async def show_server(request: Request) -> Response:
    """Name, version and extensions of the server."""
    return json_response({"name": "edgekit", "version": __version__, "extensions": list(EXTENSIONS)})


async def show_live(request: Request) -> Response:
    """Whether the server runs."""
    return json_response({"live": True})


async def show_ready(request: Request) -> Response:
    """Whether its models are loaded."""
    return json_response({"ready": services_of(request).is_started})


async def show_model(request: Request) -> Response:
    """Inputs and outputs of a model."""
    model = _model_of(request)
    info = model.classifier.info
    crop, classes = (-1, *info.preprocess.crop, info.preprocess.channels), len(info.labels)
    return json_response(
        {
            "name": model.name,
            "versions": [version_of(model)],
            "platform": "onnxruntime_onnx",
            "inputs": [
                {"name": PIXELS, "datatype": UINT8, "shape": crop},
                {"name": IMAGE, "datatype": BYTES, "shape": [-1]},
            ],
            "outputs": [
                {"name": name, "datatype": datatype, "shape": [-1, classes]} for name, datatype in OUTPUTS.items()
            ],
        }
    )


async def show_model_ready(request: Request) -> Response:
    """Whether a model is loaded."""
    return json_response({"name": _model_of(request).name, "ready": True})


async def infer(request: Request) -> Response:
    """Predict the images of a request: all of them, or none if one fails."""
    services, model = services_of(request), _model_of(request)
    async with received_body(request) as body:
        asked = parse_request(
            body,
            _json_length(request, len(body)),
            outputs=tuple(OUTPUTS),
            most_values=services.settings.max_tensor_values,
            parameters=("crops",),
        )
        scores_of, images = _work(asked, model.classifier, services)
        del body
        scores = await services.pool.map(scores_of, images, disconnected=partial(disconnection, request))
    services.metrics.count_images(model.name, predicted=len(scores), failed=0)
    head = {"model_name": model.name, "model_version": version_of(model)}
    head |= {} if asked.id is None else {"id": asked.id}
    values = (_values(output, scores, model.classifier.labels) for output in asked.outputs)
    content, json_bytes = response(head, zip(asked.outputs, values, strict=True))
    if json_bytes is None:
        return Response(content, headers=PRIVATE_HEADERS, media_type=JSON)
    headers = PRIVATE_HEADERS | {JSON_LENGTH: str(json_bytes)}
    return Response(content, headers=headers, media_type="application/octet-stream")


def version_of(model: ServedModel) -> str:
    """The version of a model: the start of its file's SHA-256."""
    return model.sha256[:12]


def _model_of(request: Request) -> ServedModel:
    model = services_of(request).models.get(request.path_params["name"])
    version = request.path_params.get("version", version_of(model))
    if version != version_of(model):
        raise NotFound(unknown(f"version of {model.name}", version, [version_of(model)]))
    return model


def _json_length(request: Request, body_bytes: int) -> int | None:
    """The length of the JSON in the body; None without the header that states it."""
    text = request.headers.get(JSON_LENGTH)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS and int(text) <= body_bytes):
        raise SpecError(must_be(JSON_LENGTH, f"an integer up to the {body_bytes} bytes of the body", text))
    return int(text)


def _work(asked: InferRequest, classifier: Classifier, services: Services) -> tuple[Callable[[Any], Scores], list[Any]]:
    """The function that computes the scores of one image, and the images."""
    tensor, most = asked.input, services.settings.max_images
    if tensor.name == IMAGE:
        crops = asked.parameters.get("crops", "center")
        if not isinstance(crops, str):
            raise SpecError(must_be("crops", "the name of a crop plan", crops))
        images = elements(tensor, most=most)
        named = images if len(images) == 1 else [ImageFile(f"{IMAGE}[{n}]", data) for n, data in enumerate(images)]
        return partial(_scores_of_image, classifier, crops), list(named)
    if tensor.name != PIXELS:
        raise SpecError(unknown("input", tensor.name, (PIXELS, IMAGE)))
    if asked.parameters:
        raise SpecError(f"`crops` needs the input {IMAGE!r}: {PIXELS!r} are cut already")
    preprocess = classifier.info.preprocess
    batch = pixels(tensor, shape=(*preprocess.crop, preprocess.channels), most=most)
    return partial(_scores_of_pixels, classifier), list(batch)


def _scores_of_image(classifier: Classifier, crops: str, image: bytes | ImageFile) -> Scores:
    prediction = classifier.predict(image, top=1, plan=crops)
    return Scores(prediction.logits.astype(np.float32), prediction.probabilities)


def _scores_of_pixels(classifier: Classifier, crop: Pixels) -> Scores:
    (logits,) = classifier.logits(crop[None])
    info = classifier.info
    probabilities = class_probabilities(logits, info.task)
    temperature = info.temperature
    return Scores(logits, probabilities if temperature is None else with_temperature(probabilities, temperature))


def _values(output: Output, scores: list[Scores], labels: tuple[str, ...]) -> Values:
    values = np.stack([getattr(each, output.name) for each in scores])
    return largest(values, labels, output.classes) if output.classes else values


_MODEL = "/v2/models/{name}"
routes = [
    Route("/v2", show_server),
    Route(HEALTH[0], show_live),
    Route(HEALTH[1], show_ready),
    *(
        route
        for path in (f"{_MODEL}/versions/{{version}}", _MODEL)
        for route in (
            Route(path, show_model),
            Route(f"{path}/ready", show_model_ready),
            Route(f"{path}/infer", infer, methods=["POST"]),
        )
    ),
]
