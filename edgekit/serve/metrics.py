"""Figures of a running server: counters, gauges and a histogram, summed over its processes."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import accumulate, product
from typing import NamedTuple

from edgekit.errors import SpecError
from edgekit.serve.shared_values import SharedValues

MAX_COLUMNS = 4096  # numbers of one process
KINDS = (
    "body_too_large",
    "body_too_slow",
    "busy",
    "deadline",
    "disconnected",
    "encoding",
    "head_too_slow",
    "host",
    "image",
    "internal",
    "malformed",
    "method",
    "not_found",
    "request",
    "too_many_connections",
    "unauthorized",
)
OTHER = "other"  # a path that does not exist, or a status or kind that is not listed here
_STATUSES = (200, 304, 400, 401, 403, 404, 405, 408, 413, 415, 421, 422, 429, 499, 500, 503, 504)
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # upper ends, in seconds


class Sample(NamedTuple):
    """One line: a name, labels, and a value."""

    name: str
    labels: dict[str, str]
    value: float


class Family(NamedTuple):
    """Samples of one kind: their common name, their type in Prometheus, what they are, and the samples."""

    name: str
    kind: str
    help: str
    samples: list[Sample]


class Metrics:
    """The figures of one process of a server, and the sums over all of them. Only the event loop changes them.

    Args:
        routes: the paths of the app's routes.
        models: the names of the models.
        values: where the processes of a server keep their figures; by default this is the only process.
        worker: the row of this process there.

    Raises:
        SpecError: there are too many models for `MAX_COLUMNS` columns.
    """

    def __init__(
        self, *, routes: Iterable[str], models: Iterable[str], values: SharedValues | None = None, worker: int = 0
    ) -> None:
        self._routes, self._models = [*dict.fromkeys(routes), OTHER], list(models)
        series: list[tuple[object, ...]] = [
            *product(["request"], self._routes, [*_STATUSES, OTHER]),
            *product(["bucket"], self._routes, range(len(_BUCKETS) + 1)),
            *product(["seconds"], self._routes),
            *product(["failure"], [*KINDS, OTHER]),
            *product(["image"], self._models, ["predicted", "failed"]),
            *product(["reload"], ["loaded", "refused"]),
            *product(["in_progress"], ["requests", "images", "waiting"]),
            ("process",),
        ]
        if len(series) > MAX_COLUMNS:
            most = len(self._models) - (len(series) - MAX_COLUMNS + 1) // 2
            raise SpecError(f"`models` must be at most {most} models (got {len(self._models)})")
        self._column = {key: column for column, key in enumerate(series)}
        self._is_own, self._process = values is None, os.getpid()
        self._values = SharedValues(1, MAX_COLUMNS) if values is None else values
        self._row = self._values.row(worker)
        for gauge in ("requests", "images", "waiting"):  # as a process that ended may have left them
            self._row[self._column["in_progress", gauge]] = 0

    def note_process(self) -> None:
        """Note that the figures are those of this process, before any is counted.

        A process that was forked from the one that made this object, as servers do that load apps before they fork,
        gets figures of its own unless a place for them was given: one row has one writer.
        """
        if self._is_own and self._process != os.getpid():
            self._values = SharedValues(1, MAX_COLUMNS)
            self._row = self._values.row(0)
        self._process = os.getpid()
        self._row[self._column["process",]] = self._process

    def begin_request(self) -> None:
        """Count a request as in progress."""
        self._add("in_progress", "requests")

    def end_request(self, route: str, status: int, *, seconds: float) -> None:
        """Count a request that has its response. status: 499 if the client left before."""
        self._add("in_progress", "requests", amount=-1)
        self._add("request", route, status if status in _STATUSES else OTHER)
        self._add("bucket", route, bisect_left(_BUCKETS, seconds))
        self._add("seconds", route, amount=seconds)

    def count_failure(self, kind: str) -> None:
        """Count a request that failed, by one of KINDS."""
        self._add("failure", kind if kind in KINDS else OTHER)

    def count_images(self, model: str, *, predicted: int, failed: int = 0) -> None:
        """Count images that this model has predicted, and those that could not be read."""
        self._add("image", model, "predicted", amount=predicted)
        self._add("image", model, "failed", amount=failed)

    def count_reload(self, is_loaded: bool) -> None:
        """Count a model file that was replaced, and was loaded or refused."""
        self._add("reload", "loaded" if is_loaded else "refused")

    def set_pool(self, *, running: int, waiting: int) -> None:
        """Note the number of images in work, and that of the requests that wait."""
        self._row[self._column["in_progress", "images"]] = running
        self._row[self._column["in_progress", "waiting"]] = waiting

    def processes(self) -> list[int]:
        """The ids of the server's processes, and of some that may have ended."""
        column = self._column["process",]
        rows = (self._values.row(number) for number in range(self._values.rows))
        return [int(row[column]) for row in rows if row[column]]

    def families(self) -> Iterator[Family]:
        """All figures, summed over the processes. Counters of what never happened are left out."""
        totals = self._values.totals()
        value = {key: totals[column] for key, column in self._column.items()}
        yield Family(
            "edgekit_requests_total",
            "counter",
            "Requests by route and status of the response; 499 if the client left.",
            [
                Sample("", {"route": route, "status": str(status)}, value["request", route, status])
                for route, status in product(self._routes, [*_STATUSES, OTHER])
                if value["request", route, status]
            ],
        )
        yield Family(
            "edgekit_request_duration_seconds",
            "histogram",
            "Time from the head of a request to the end of its response.",
            [sample for route in self._routes for sample in _histogram(route, value)],
        )
        for name, kind, help, key, label, words in (
            ("failures_total", "counter", "Requests that failed, by reason.", "failure", "kind", (*KINDS, OTHER)),
            ("model_reloads_total", "counter", "Replaced model files.", "reload", "outcome", ("loaded", "refused")),
        ):
            yield Family(f"edgekit_{name}", kind, help, [Sample("", {label: w}, value[key, w]) for w in words])
        yield Family(
            "edgekit_images_total",
            "counter",
            "Images by model; failed are those that cannot be read or are refused.",
            [
                Sample("", {"model": model, "outcome": outcome}, value["image", model, outcome])
                for model, outcome in product(self._models, ("predicted", "failed"))
            ],
        )
        for name, help, gauge in (
            ("requests_in_progress", "Requests that have no response yet.", "requests"),
            ("images_in_progress", "Images that are being predicted.", "images"),
            ("requests_waiting", "Requests in the queue.", "waiting"),
        ):
            yield Family(f"edgekit_{name}", "gauge", help, [Sample("", {}, value["in_progress", gauge])])

    def _add(self, *key: object, amount: float = 1) -> None:
        self._row[self._column[key]] += amount


def _histogram(route: str, value: dict[tuple[object, ...], float]) -> Iterator[Sample]:
    counts = list(accumulate(value["bucket", route, number] for number in range(len(_BUCKETS) + 1)))
    if counts[-1]:
        for end, count in zip([*map(str, _BUCKETS), "+Inf"], counts, strict=True):
            yield Sample("_bucket", {"route": route, "le": end}, count)
        yield Sample("_count", {"route": route}, counts[-1])
        yield Sample("_sum", {"route": route}, value["seconds", route])
