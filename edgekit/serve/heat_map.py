"""POST /heat-map: where the network sees evidence for a class, as a PNG image."""

from __future__ import annotations

from functools import partial
from io import BytesIO

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.errors import SpecError, must_be
from edgekit.report.heat_maps import heat_maps
from edgekit.runtime.activation_maps import has_maps
from edgekit.runtime.classifier import Classifier
from edgekit.serve.bodies import disconnection, received_body
from edgekit.serve.predictions import read_parameters
from edgekit.serve.responses import PRIVATE_HEADERS
from edgekit.serve.services import services_of


async def draw_heat_map(request: Request) -> Response:
    """The network's input with the activation map of the class `class`, by default the predicted one.

    Raises:
        SpecError: the model has no maps, or no such class.
        ImageError: the image cannot be read.
    """
    services = services_of(request)
    parameters = read_parameters(request.scope["query_string"], ("class", "model"))
    model = services.models.get(parameters.get("model"))
    if not has_maps(model.classifier):
        raise SpecError(f"{model.name} has no activation maps; `edgekit export --activation-maps` adds them")
    index = _class_index(parameters.get("class"), classes=len(model.classifier.labels))
    async with received_body(request) as body:
        drawn = partial(_png, model.classifier, body, index)
        png = await services.pool.run(drawn, disconnected=partial(disconnection, request))
    return Response(png, headers=PRIVATE_HEADERS, media_type="image/png")


def _class_index(text: str | None, *, classes: int) -> int | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < classes):
        raise SpecError(must_be("class", f"the index of a class, 0 to {classes - 1}", text))
    return int(text)


def _png(classifier: Classifier, image: bytes, index: int | None) -> bytes:
    index = classifier.predict(image, top=1).top[0].index if index is None else index
    (drawn,) = heat_maps(classifier, image, [index])
    data = BytesIO()
    drawn.save(data, "PNG")
    return data.getvalue()


routes = [Route("/heat-map", draw_heat_map, methods=["POST"])]
