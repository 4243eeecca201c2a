"""The app: its routes, and what happens around every request."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from edgekit.errors import SpecError, check_types, must_be, printable, truncated
from edgekit.serve import catalog, exposition, heat_map, inference_protocol, openapi, page, predictions
from edgekit.serve.api_keys import ApiKeyCheck
from edgekit.serve.hosts import HostCheck
from edgekit.serve.logs import AccessLog, log
from edgekit.serve.metrics import OTHER, Metrics
from edgekit.serve.models import model_names
from edgekit.serve.pool import Disconnected
from edgekit.serve.responses import INTERNAL, error_response, kind_of, request_error
from edgekit.serve.services import Services
from edgekit.serve.settings import ServeSettings
from edgekit.serve.shared_values import SharedValues

_DEFAULT_SETTINGS = ServeSettings()
_DISCONNECTED = 499  # the status under which the metrics count requests whose client has left
_MAX_PATH = 200  # characters in the log


def create_app(
    *models: str | os.PathLike[str],
    settings: ServeSettings = _DEFAULT_SETTINGS,
    shared: SharedValues | None = None,
    worker: int = 0,
) -> Starlette:
    """Create an ASGI app that serves models.

    The models are loaded when the server starts the app or, if the app is mounted in another one, before its first
    request.

    Args:
        models: paths of model files or names of models; the first is the one that requests use that name none. By
            default the model that `Classifier` opens by default.
        settings: limits and switches.
        shared: where the processes of a server keep their metrics; by default this is the only process.
        worker: the row of this process there, from 0.

    Raises:
        ArtifactError: there is no such model.
        SpecError: two models have the same name, or an argument is not valid.

    Example:
        >>> from starlette.applications import Starlette
        >>> from starlette.routing import Mount
        >>> from edgekit.serve import create_app
        >>> app = create_app("model.onnx")  # uvicorn module:app
        >>> site = Starlette(routes=[Mount("/classifier", app)])
    """
    check_types(ServeSettings, settings=settings)
    check_types(SharedValues | None, shared=shared)
    rows = 1 if shared is None else shared.rows
    if not isinstance(worker, int) or not 0 <= worker < rows:
        raise SpecError(must_be("worker", f"the number of a row, 0 to {rows - 1}", worker))
    routes = [
        *predictions.routes,
        *heat_map.routes,
        *catalog.routes,
        *inference_protocol.routes,
        *exposition.routes,
        *openapi.routes,
        *(page.routes if settings.page else ()),
    ]
    paths = {route.endpoint: route.path for route in routes}
    metrics = Metrics(routes=paths.values(), models=model_names(models), values=shared, worker=worker)
    services = Services(models, settings=settings, metrics=metrics)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await services.start_in_loop()
        try:
            yield
        finally:
            services.close()

    app = Starlette(
        routes=routes,
        middleware=_middleware(services, paths),
        exception_handlers={HTTPException: _router_error},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.services = services
    return app


def _middleware(services: Services, paths: Mapping[Any, str]) -> list[Middleware]:
    """What is around the handlers, the outermost first."""
    settings, middleware = services.settings, [Middleware(_Requests, services=services, paths=paths)]
    if settings.access_log:
        middleware.insert(0, Middleware(AccessLog))
    if settings.hosts is not None:
        middleware.append(Middleware(HostCheck, names=settings.hosts))
    if settings.api_keys:
        public = {*inference_protocol.HEALTH, *(route.path for route in page.routes)}  # nothing of theirs is secret
        middleware.append(Middleware(ApiKeyCheck, keys=settings.api_keys, public=public))
    return middleware


async def _router_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    raise request_error(error, method=request.method, path=request.url.path)


class _Requests:
    """Starts the services before the first request, counts requests, and turns errors into responses."""

    def __init__(self, app: ASGIApp, *, services: Services, paths: Mapping[Any, str]) -> None:
        self._app, self._services, self._paths = app, services, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        services, metrics, status, begin = self._services, self._services.metrics, 0, time.perf_counter()
        if not services.is_started:
            metrics.note_process()
        metrics.begin_request()

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            if not services.is_started:
                await services.start_in_loop()
            await self._app(scope, receive, send_and_note)
        except Disconnected:
            status = status or _DISCONNECTED
            metrics.count_failure("disconnected")
        except Exception as error:
            metrics.count_failure(kind_of(error))
            if kind_of(error) == INTERNAL:
                request = f"{scope['method']} {printable(truncated(scope['path'], _MAX_PATH))}"
                log(logging.ERROR, "request_failed", f"{request} failed: {type(error).__name__}", error=error)
            if not status:
                await error_response(error)(scope, receive, send_and_note)
        finally:
            route = self._paths.get(scope.get("endpoint", self), OTHER)
            metrics.end_request(route, status, seconds=time.perf_counter() - begin)
            services.note_pool()
