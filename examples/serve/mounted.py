"""A web application with a classifier in it: /health is its own, everything below /classifier is edgekit's.

uvicorn --app-dir examples/serve mounted:app
curl --data-binary @examples/ship.png http://127.0.0.1:8000/classifier/predict

In FastAPI it is the same line: app.mount("/classifier", classifier).
"""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from edgekit.serve import ServeSettings, create_app


async def health(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


models = os.environ.get("MODELS", "mobilenet_v2-cifar10-int8").split()
classifier = create_app(*models, settings=ServeSettings(max_images=16))
app = Starlette(routes=[Route("/health", health), Mount("/classifier", classifier)])
