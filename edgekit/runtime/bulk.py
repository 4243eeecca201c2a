"""Many images: several are decoded and predicted at once, and the predictions come in the order of the images.

On a CPU several workers with one thread each predict more images than one prediction after the other with all threads,
because decoding has one thread only and small networks share theirs badly. Pillow and onnxruntime both let other
threads run meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from edgekit.errors import ImageError, SpecError
from edgekit.image.source import ImageSource
from edgekit.preprocess.crops import CropPlan
from edgekit.runtime.classifier import Classifier
from edgekit.runtime.cpu import available_threads
from edgekit.runtime.prediction import Prediction

if TYPE_CHECKING:
    from concurrent.futures import Future

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items that are begun for each worker: enough that all are busy while one large image keeps the others waiting.
_BEGUN_PER_WORKER = 8


def predict_many(
    classifier: Classifier,
    sources: Iterable[ImageSource | ImageError],
    *,
    top: int = 5,
    plan: str | int | CropPlan = "center",
    workers: int | None = None,
) -> Iterator[Prediction | ImageError]:
    """One prediction for each image, in order; an image that fails yields its ImageError.

    sources: whatever predict takes; read in the caller's thread, a bounded number ahead of the predictions. An
    ImageError among them is passed on. workers: images in work at once; by default the threads there are. With more
    than one worker the network runs in a twin of the classifier with one thread. Raises SpecError for a wrong argument.
    """
    if isinstance(sources, str | bytes):
        raise SpecError("predict_many takes several images; put the one into a list, or call predict")
    with for_workers(classifier, workers) as (shared, count):
        yield from predict_each(lambda source: shared.predict(source, top=top, plan=plan), sources, workers=count)


def predict_each(
    predict: Callable[[ImageSource], Prediction], sources: Iterable[ImageSource | ImageError], *, workers: int
) -> Generator[Prediction | ImageError, None, None]:
    """predict_or_error of every source, in order, `workers` of them at once."""
    return overlapped(lambda source: predict_or_error(predict, source), sources, workers=workers)


def predict_or_error(
    predict: Callable[[ImageSource], Prediction], source: ImageSource | ImageError
) -> Prediction | ImageError:
    """predict(source), or the ImageError that it raises or the source is."""
    if isinstance(source, ImageError):
        return source
    try:
        return predict(source)
    except ImageError as error:
        # Its frames hold the image's bytes: thousands of kept errors would fill the memory.
        error.__traceback__ = error.__context__ = None
        return error


def overlapped(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Generator[Result, None, None]:
    """function(item) of every item, in order, `workers` of them at once in threads of their own.

    At most 8 items a worker are begun ahead of the result that is waited for. What `function` raises is raised in its
    turn. If the caller stops early, what is in work is finished and the rest never starts; only an interruption by
    the keyboard waits for nothing.
    """
    from concurrent.futures import ThreadPoolExecutor  # here, because one image goes without

    futures: deque[Future[Result]] = deque()
    pool, waits = ThreadPoolExecutor(workers, thread_name_prefix="edgekit"), True
    try:
        for item in items:
            futures.append(pool.submit(function, item))
            while futures and (futures[0].done() or len(futures) >= _BEGUN_PER_WORKER * workers):
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    except KeyboardInterrupt:
        waits = False
        raise
    finally:
        pool.shutdown(wait=waits, cancel_futures=True)


@contextmanager
def for_workers(classifier: Classifier, workers: int | None = None) -> Iterator[tuple[Classifier, int]]:
    """What so many workers share, and how many they are: by default the threads there are.

    One worker gets the classifier itself; several get its twin with one thread, which is closed in the end. Raises
    SpecError for less than one.
    """
    count = available_threads() if workers is None else workers
    if count < 1:
        raise SpecError(f"workers must be at least 1, not {workers}")
    if count == 1 or classifier.threads == 1:
        yield classifier, count
        return
    with classifier.with_threads(1) as twin:
        yield twin, count
