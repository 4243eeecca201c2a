"""The threads that predict, and the requests that wait for them.

Each thread predicts one image at a time with one thread of onnxruntime: more images per second than one prediction
after another with all cores (`runtime.bulk`). Requests take turns, image by image, so that a request of many images
does not keep those of one image waiting.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from edgekit.runtime.run_limits import runs_until
from edgekit.serve.request_errors import Busy, DeadlineExceeded

Item = TypeVar("Item")
Result = TypeVar("Result")

_FIRST_GUESS_S = 0.05  # for one item, before any was measured
_SMOOTHING = 0.05  # weight of the newest measurement


class Disconnected(Exception):  # noqa: N818  (the name says what happened)
    """The client has left: nobody waits for the result."""


class _Job(Generic[Item, Result]):
    """A function and the items of one request that it is called with, and the results so far."""

    def __init__(self, function: Callable[[Item], Result], items: Sequence[Item], *, deadline: float) -> None:
        self.function, self.items, self.deadline = function, items, deadline
        self.started, self.unfinished = 0, len(items)
        self.results: list[Any] = [None] * len(items)
        self.loop = asyncio.get_running_loop()
        self.done: asyncio.Future[list[Result]] = self.loop.create_future()

    def finish(self, error: BaseException | None) -> None:
        """Hand the results over to the event loop."""

        def settle() -> None:
            if not self.done.done():
                self.done.set_result(self.results) if error is None else self.done.set_exception(error)

        with suppress(RuntimeError):  # the loop is closed: the server was stopped
            self.loop.call_soon_threadsafe(settle)


class Pool:
    """Threads that work for requests, and a queue with a limit.

    Args:
        threads: number of items in work at a time.
        queue: number of requests that may wait while all threads work.
        deadline_s: seconds until a request is given up.
    """

    def __init__(self, *, threads: int, queue: int, deadline_s: float) -> None:
        self.threads, self._queue, self._deadline_s = threads, queue, deadline_s
        self._changed = threading.Condition()
        self._jobs: deque[_Job[Any, Any]] = deque()  # those with items that were not started
        self._idle, self._is_closed = threads, False
        self._mean_s = _FIRST_GUESS_S
        self._workers = [
            threading.Thread(target=self._work, name=f"edgekit-serve-{number}", daemon=True)
            for number in range(threads)
        ]
        for worker in self._workers:
            worker.start()

    async def run(
        self, function: Callable[..., Result], *args: Any, disconnected: Callable[[], Awaitable[None]] | None = None
    ) -> Result:
        """Return function(*args), computed in a thread of the pool. As `map` otherwise."""
        return (await self.map(lambda _: function(*args), (None,), disconnected=disconnected))[0]

    async def map(
        self,
        function: Callable[[Item], Result],
        items: Sequence[Item],
        *,
        disconnected: Callable[[], Awaitable[None]] | None = None,
    ) -> list[Result]:
        """Return function(item) for every item, in order, computed in threads of the pool.

        Args:
            function: may raise; the first exception is raised here, and the items that were not started are dropped.
            items: of one request.
            disconnected: returns when the client leaves. The items that were not started are then dropped.

        Raises:
            Busy: too many requests wait.
            DeadlineExceeded: the results were not ready in time.
            Disconnected: the client has left.
        """
        if not items:
            return []
        job = _Job(function, items, deadline=time.monotonic() + self._deadline_s)
        waits = self._submit(job)
        try:
            async with asyncio.timeout(self._deadline_s):
                # To watch the client takes a task: not worth its time for what is in work already.
                if disconnected is not None and (waits or len(items) > 1):
                    await _first_of(job.done, disconnected)
                return await job.done
        except TimeoutError:
            raise DeadlineExceeded(
                f"the request took longer than {self._deadline_s:g} s ({job.unfinished} of {len(items)} images left)"
            ) from None
        finally:
            job.done.cancel()
            self._drop(job)

    @property
    def waiting(self) -> int:
        """Number of requests of which some image was not started."""
        return len(self._jobs)

    @property
    def running(self) -> int:
        """Number of items in work."""
        return self.threads - self._idle

    def retry_after_s(self) -> int:
        """Seconds until the items that wait now will be done, at the speed measured so far; at least 1."""
        with self._changed:
            items = sum(len(job.items) - job.started for job in self._jobs) + self.running
        return max(1, math.ceil(items * self._mean_s / self.threads))

    def close(self) -> None:
        """End the threads as soon as what is in work is done. Jobs that wait are not started."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _submit(self, job: _Job[Any, Any]) -> bool:
        """Put a job into the queue; return whether it has to wait there."""
        with self._changed:
            waits = len(self._jobs) >= self._idle
            is_refused = len(self._jobs) - self._idle >= self._queue
            if not is_refused:
                self._jobs.append(job)
                self._changed.notify(len(job.items))
        if is_refused:
            raise Busy(
                f"the server is busy: {len(self._jobs)} requests are waiting; try again later",
                retry_after_s=self.retry_after_s(),
            )
        return waits

    def _drop(self, job: _Job[Any, Any]) -> None:
        """Start no more items of the job."""
        with self._changed:
            if job.started < len(job.items):
                job.started = len(job.items)
                self._jobs.remove(job)

    def _work(self) -> None:
        """What each thread does: the next item of the job whose turn it is."""
        while (turn := self._next_item()) is not None:
            job, number = turn
            begin = time.perf_counter()
            try:
                with runs_until(job.deadline):
                    job.results[number] = job.function(job.items[number])
            except BaseException as error:
                job.finish(error if time.monotonic() < job.deadline else TimeoutError())  # the run was stopped
            spent = time.perf_counter() - begin
            with self._changed:
                self._idle += 1
                self._mean_s += _SMOOTHING * (spent - self._mean_s)
                job.unfinished -= 1
                is_last = not job.unfinished
            if is_last:
                job.finish(None)
            del job, turn  # the images of a request are not kept until the next one

    def _next_item(self) -> tuple[_Job[Any, Any], int] | None:
        """Wait for work; None if the pool is closed."""
        with self._changed:
            while not self._jobs and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return None
            self._idle -= 1
            job = self._jobs.popleft()
            job.started += 1
            if job.started < len(job.items):
                self._jobs.append(job)  # behind the other requests
            return job, job.started - 1


async def _first_of(done: asyncio.Future[Any], disconnected: Callable[[], Awaitable[None]]) -> None:
    """Wait until the work is done. Raises Disconnected if the client leaves before."""
    watch = asyncio.ensure_future(disconnected())
    try:
        await asyncio.wait((done, watch), return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            raise Disconnected
    finally:
        watch.cancel()
