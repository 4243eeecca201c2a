"""What the handlers of requests share: models, threads, metrics and settings."""

from __future__ import annotations

import asyncio
import os
import threading
import warnings
from collections.abc import Sequence

from starlette.requests import Request

from edgekit.image.decode_limits import ImageLimits
from edgekit.runtime.cpu import available_threads
from edgekit.serve.body_memory import BodyMemory
from edgekit.serve.metrics import Metrics
from edgekit.serve.models import ModelStore
from edgekit.serve.pool import Pool
from edgekit.serve.reload import watch_models
from edgekit.serve.settings import ServeSettings
from edgekit.serve.urls import UrlFetcher


class Services:
    """The services of one app. They start once: before the first request, or when the server starts the app.

    Until then nothing is opened, so that a server may fork processes after it has created the app.

    Attributes:
        settings: the limits.
        metrics: what GET /metrics returns.
        urls: downloads the images that requests name by addresses.
        memory: what the bodies of requests take.
    """

    def __init__(self, models: Sequence[str | os.PathLike[str]], *, settings: ServeSettings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.memory = BodyMemory(most=settings.max_held_bytes, patience_s=settings.body_timeout_s)
        self.urls = UrlFetcher(max_bytes=settings.max_body_bytes, timeout_s=settings.url_timeout_s)
        self._sources, self._starting = models, threading.Lock()
        self._started: tuple[ModelStore, Pool] | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def is_started(self) -> bool:
        """Whether the models are loaded."""
        return self._started is not None

    def start(self) -> None:
        """Load the models and start the threads, if that was not done yet.

        Warnings of Pillow are ignored from then on: a hostile image can cause thousands of different ones, of which
        Python would keep every text.

        Raises:
            ArtifactError: a model is not found or refused.
            SpecError: two models have the same name.
        """
        with self._starting:
            if self._started is None:
                settings = self.settings
                limits = ImageLimits(max_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels)
                models = ModelStore(self._sources, limits=limits)
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self.metrics.note_process()
                threads = settings.threads or available_threads()
                self._started = models, Pool(threads=threads, queue=settings.queue, deadline_s=settings.deadline_s)

    async def start_in_loop(self) -> None:
        """Start from an event loop, in which model files are then watched if the settings say so; as `start`."""
        await asyncio.to_thread(self.start)
        if self.settings.reload_models and (self._watch is None or self._watch.done()):
            self._watch = asyncio.create_task(
                watch_models(self.models, interval_s=self.settings.reload_interval_s, count=self.metrics.count_reload)
            )

    @property
    def models(self) -> ModelStore:
        """The models that are loaded."""
        return self._require_started()[0]

    @property
    def pool(self) -> Pool:
        """The threads that predict."""
        return self._require_started()[1]

    def note_pool(self) -> None:
        """Bring the metrics of the pool up to date."""
        if self._started is not None:
            pool = self._started[1]
            self.metrics.set_pool(running=pool.running, waiting=pool.waiting)

    def close(self) -> None:
        """End the threads and release the models."""
        with self._starting:
            if self._started is not None:
                models, pool = self._started
                self._started = None
                if self._watch is not None:
                    self._watch.cancel()
                pool.close()
                models.close()

    def _require_started(self) -> tuple[ModelStore, Pool]:
        if self._started is None:
            raise RuntimeError("the services were not started")
        return self._started


def services_of(request: Request) -> Services:
    """The services of the app that handles the request."""
    services: Services = request.app.state.services
    return services
