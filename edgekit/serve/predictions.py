"""POST /predict: images in, the lines of `edgekit predict --json` out."""

from __future__ import annotations

import time
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.errors import ImageError, SpecError, must_be, quote, unknown
from edgekit.runtime.json_record import json_record
from edgekit.runtime.prediction import Request as PredictionRequest
from edgekit.serve.bodies import disconnection, received_body
from edgekit.serve.image_bodies import NamedImage, images_of
from edgekit.serve.models import ServedModel
from edgekit.serve.request_errors import RequestError
from edgekit.serve.responses import json_response, message_of, ndjson_response
from edgekit.serve.services import Services, services_of

if TYPE_CHECKING:
    from edgekit.runtime.prediction import Prediction

_TOP_ONE, _TOP_MANY = 5, 1  # classes, as `edgekit predict` prints for one image and for many
_PARAMETERS = ("crops", "model", "top")
_MAX_PARAMETERS = 20


class Query(NamedTuple):
    """What a request asks for: the model, its crop plan, and the number of classes, by default 5 or 1."""

    model: ServedModel
    crops: str
    top: int | None


async def predict(request: Request) -> Response:
    """One line of JSON for one image, NDJSON for many."""
    services = services_of(request)
    query = read_query(request.scope["query_string"], services)
    with services.memory.share() as fetched:
        async with received_body(request) as body:
            content_type = request.headers.get("content-type", "")
            images, is_list = await images_of(body, content_type, services, fetched)
            del body  # of a form, the images are copies
            top, started = query.top or (_TOP_MANY if is_list else _TOP_ONE), list[float]()
            begin = time.perf_counter()
            results = await services.pool.map(
                partial(_outcome, query, top, started), images, disconnected=partial(disconnection, request)
            )
    failed = sum(isinstance(result, ImageError) for result in results)
    services.metrics.count_images(query.model.name, predicted=len(results) - failed, failed=failed)
    if not is_list and isinstance(results[0], ImageError):
        raise results[0]
    records = (
        json_record(image.name, result, model=query.model.name, message_of=message_of)
        for image, result in zip(images, results, strict=True)
    )
    headers = {"Server-Timing": _timing(begin, min(started), time.perf_counter())}
    return ndjson_response(records, headers=headers) if is_list else json_response(next(records), headers=headers)


def _timing(begin: float, started: float, end: float) -> str:
    """Milliseconds until a thread was free and of the work, as browsers' tools for developers show them."""
    return f"queue;dur={(started - begin) * 1e3:.1f}, predict;dur={(end - started) * 1e3:.1f}"


def _outcome(query: Query, top: int, started: list[float], image: NamedImage) -> Prediction | ImageError:
    """The prediction of one image, or the reason why there is none."""
    started.append(time.perf_counter())
    try:
        return query.model.classifier.predict(image.source, top=top, plan=query.crops)
    except ImageError as error:
        error.__traceback__ = error.__context__ = None  # its frames refer to the image
        return error


def read_query(query_string: bytes, services: Services) -> Query:
    """Read the query of a request by the rules of the command line.

    Raises:
        NotFound: there is no such model.
        SpecError: a value is not valid.
        RequestError: there is no such parameter, or it is given twice.
    """
    values = read_parameters(query_string, _PARAMETERS)
    model = services.models.get(values.get("model"))
    crops, top = values.get("crops", "1"), values.get("top")
    classes = None if top is None else _number_of_classes(top)
    # Checked here, so that no body is read in vain, and under the name that the client knows.
    plan: Any = PredictionRequest(
        top=1, plan=crops, budget=None, average="probabilities", unknown_below=0, channels="RGB"
    )
    plan.plan_for(model.classifier.info, model.name)
    return Query(model, crops, classes)


def read_parameters(query_string: bytes, names: Collection[str]) -> dict[str, str]:
    """The parameters of a query by name.

    Raises:
        RequestError: it cannot be parsed, has a parameter that is not one of `names`, or has one twice.
    """
    if not query_string:
        return {}
    text = query_string.decode("latin-1")
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_MAX_PARAMETERS
        )
    except ValueError:
        raise RequestError(f"the query cannot be parsed: {quote(text)}") from None
    values = dict(pairs)
    for name in values:
        if name not in names:
            raise RequestError(unknown("parameter", name, names))
    if len(values) < len(pairs):
        raise RequestError(f"a parameter is given twice: {quote(text)}")
    return values


def _number_of_classes(top: str) -> int:
    try:
        number = int(top)
    except ValueError:
        number = 0
    if number < 1:
        raise SpecError(must_be("top", "an integer from 1", top))
    return number


routes = [Route("/predict", predict, methods=["POST"])]
