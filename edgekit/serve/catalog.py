"""GET /models and /models/NAME: which models there are, and what is written in their files."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from edgekit.serve.models import ServedModel
from edgekit.serve.responses import json_response
from edgekit.serve.services import services_of


async def list_models(request: Request) -> Response:
    """The models by name, the default first."""
    models = services_of(request).models
    return json_response({"schema": 1, "default": models.default, "models": [_summary(model) for model in models]})


async def show_model(request: Request) -> Response:
    """What `edgekit inspect --json` prints for the model's file."""
    model = services_of(request).models.get(request.path_params["name"])
    return json_response(model.classifier.info.to_dict())


def _summary(model: ServedModel) -> dict[str, object]:
    info = model.classifier.info
    return {
        "name": model.name,
        "sha256": model.sha256,
        "model": info.model,
        "precision": info.precision,
        "task": info.task,
        "labels": len(info.labels),
        "outputs": list(model.classifier.outputs),
        "license": info.license,
    }


routes = [Route("/models", list_models), Route("/models/{name}", show_model)]
