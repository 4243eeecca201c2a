"""Many images at a time: several are decoded and predicted in threads, and their results come in order.

On a CPU, several workers with one thread each predict more images than one prediction after another with all threads,
because decoding uses one thread and small networks make poor use of several. Pillow and onnxruntime both let other
threads run while they work.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sized
from numbers import Integral
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgekit.errors import SpecError, must_be
from edgekit.runtime.cpu import available_threads

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items in work for each worker: enough that all are busy while one large image keeps the others waiting.
_AHEAD_PER_WORKER = 8


def overlapped(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Generator[Result, None, None]:
    """Yield function(item) for every item, in order; `workers` of them run at a time, each in a thread.

    At most 8 items per worker are started ahead of the result that is due. What `function` raises is raised when its
    result is due. If the caller stops early, the items in work are finished and no other is started; only a
    KeyboardInterrupt does not wait for those in work.
    """
    from concurrent.futures import ThreadPoolExecutor  # here, because one image does not need it

    futures: deque[Future[Result]] = deque()
    pool, waits = ThreadPoolExecutor(workers, thread_name_prefix="edgekit"), True
    try:
        for item in items:
            futures.append(pool.submit(function, item))
            while futures and (futures[0].done() or len(futures) >= _AHEAD_PER_WORKER * workers):
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    except KeyboardInterrupt:
        waits = False
        raise
    finally:
        pool.shutdown(wait=waits, cancel_futures=True)


def worker_count(workers: int | None, items: Iterable[object]) -> int:
    """The number of workers asked for: by default the available threads, but no more than there are items.

    Raises:
        SpecError: it is not an integer from 1.
    """
    if workers is None:
        workers = available_threads()
        return max(1, min(workers, len(items))) if isinstance(items, Sized) else workers
    if not isinstance(workers, Integral) or isinstance(workers, bool) or workers < 1:
        raise SpecError(must_be("workers", "an integer from 1", workers))
    return int(workers)


def check_images(images: object) -> None:
    """Raises SpecError for one image in place of several, whose characters, lines or rows would be taken for images."""
    is_one = isinstance(images, str | bytes | bytearray | memoryview | os.PathLike) or hasattr(images, "read")
    is_one = is_one or (isinstance(images, np.ndarray) and images.ndim < 4)
    if is_one or not (hasattr(images, "__iter__") or hasattr(images, "__getitem__")):
        raise SpecError(must_be("images", "a list or another iterable of images; predict accepts a single one", images))
