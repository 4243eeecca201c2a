"""What Classifier and Ensemble share: images in, predictions out.

The stops on an image's road, as `predict` calls them: open_image (size known) -> plan.views -> decode (no larger than
the views need) -> Preprocess.pixels -> LoadedModel.run -> plan.probabilities -> Prediction. If the two best classes are
close after reduced decoding, the image is decoded in full and takes the road once more.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Literal, Self, overload

from edgekit.errors import ImageError, SpecError, unknown
from edgekit.image.load import Channels, LoadedImage, open_image
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Average
from edgekit.preprocess.scoring import Scoring
from edgekit.runtime.decoding import are_close, enough_for
from edgekit.runtime.prediction import AnyPlan, ClassScores, Plan, Prediction, Request, Stopwatch

if TYPE_CHECKING:
    from edgekit.runtime.classifier import Classifier


class Predictor(ABC):
    """Base class of Classifier and Ensemble. Use as a context manager to release the session."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities."""

    @property
    @abstractmethod
    def models(self) -> tuple[Classifier, ...]:
        """The classifiers that predict: one, or the members of an ensemble."""

    @property
    @abstractmethod
    def scoring(self) -> Scoring:
        """How logits become probabilities, and these labels."""

    @abstractmethod
    def warmup(self) -> None:
        """Run the network once, so that the first prediction is as fast as the next."""

    @abstractmethod
    def close(self) -> None:
        """Release memory and threads. Predicting after that is an error."""

    def predict(
        self,
        image: ImageSource,
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Prediction:
        """Predict the most probable classes of one image.

        Args:
            image: path, bytes of an image file, binary file object, PIL image, or uint8 array of shape (H, W),
                (H, W, 1), (H, W, 3) or (H, W, 4). Pass untrusted images as a path or bytes.
            top: number of classes in the prediction's `top`; all of them if the model has fewer.
            plan: which views of the image are averaged: a crop plan, or its name: center, flip, five, ten, grid:RxC,
                multi-scale, wide or whole; or adaptive, if the model file has adaptive crops.
            budget: for adaptive: mean number of views per image, from 1; by default the one in the model file.
            average: what is averaged over the views, "probabilities" or "logits"; adaptive averages logits.
            unknown_below: probability, 0 to 1, below which the label is "unknown".
            channels: channel order of arrays, "RGB" or, as in OpenCV, "BGR".

        Raises:
            ImageError: the image cannot be read, or is refused.
            SpecError: an argument is not valid.

        Example:
            >>> from edgekit import Classifier
            >>> classifier = Classifier("model.onnx")
            >>> classifier.predict("photo.jpg", top=1, plan="flip")
            Prediction('nut' ...)
            >>> classifier.predict("photo.jpg", unknown_below=1).label
            'unknown'
        """
        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        return self._predict(image, request)

    @overload
    def predict_many(
        self,
        images: Iterable[ImageSource | ImageError],
        *,
        workers: int | None = None,
        on_error: Literal["yield"] = "yield",
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Generator[Prediction | ImageError, None, None]: ...

    @overload
    def predict_many(
        self,
        images: Iterable[ImageSource | ImageError],
        *,
        workers: int | None = None,
        on_error: Literal["raise"],
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Generator[Prediction, None, None]: ...

    def predict_many(
        self,
        images: Iterable[ImageSource | ImageError],
        *,
        workers: int | None = None,
        on_error: Literal["yield", "raise"] = "yield",
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Generator[Prediction | ImageError, None, None]:
        """Predict many images, several at a time, and yield the results in the order of the images.

        `images` is read a bounded number of images ahead, in the caller's thread, so it may be endless. Close the
        generator to stop early. With several workers the network runs in a second session with one thread, which is
        opened for this call, unless the classifier was opened with threads=1.

        Args:
            images: the images, each as for `predict`. An ImageError among them counts as an image that failed.
            workers: number of images in work at a time; by default the number of threads that this process may use.
            on_error: "yield" puts the ImageError of an image that failed into its place among the results, "raise"
                raises the first one.
            top: as for `predict`.
            plan: as for `predict`.
            budget: as for `predict`.
            average: as for `predict`.
            unknown_below: as for `predict`.
            channels: as for `predict`.

        Raises:
            ImageError: an image failed, if `on_error` is "raise".
            SpecError: an argument is not valid.

        Example:
            >>> from edgekit import Classifier, ImageError
            >>> for result in Classifier("model.onnx").predict_many(["photo.jpg", "absent.jpg"]):
            ...     print(f"failed: {result}" if isinstance(result, ImageError) else result.label)
            nut
            failed: absent.jpg: cannot be opened: No such file or directory
        """
        from edgekit.runtime.bulk import check_images, worker_count  # here, because one image needs neither

        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        self._plans(request)  # an unknown plan is an error of this call, not of the first image
        check_images(images)
        if on_error not in ("yield", "raise"):
            raise SpecError(unknown("`on_error`", on_error, ("yield", "raise")))
        return self._predict_many(images, request, workers=worker_count(workers, images), raises=on_error == "raise")

    async def predict_async(
        self,
        image: ImageSource,
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Prediction:
        """Predict one image in a thread, while the event loop runs on.

        Args:
            image: as for `predict`.
            top: as for `predict`.
            plan: as for `predict`.
            budget: as for `predict`.
            average: as for `predict`.
            unknown_below: as for `predict`.
            channels: as for `predict`.

        Raises:
            ImageError: the image cannot be read, or is refused.
            SpecError: an argument is not valid.

        Example:
            >>> import asyncio
            >>> from edgekit import Classifier
            >>> asyncio.run(Classifier("model.onnx").predict_async("photo.jpg")).label
            'nut'
        """
        import asyncio  # here, because most programs do not need it

        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        return await asyncio.to_thread(self._predict, image, request)

    def load(self, image: ImageSource, plans: Sequence[AnyPlan], *, channels: Channels = "RGB") -> LoadedImage:
        """Load an image as `predict` does: no larger than the views need, and in RGB if any model needs color.

        Args:
            image: as for `predict`.
            plans: a crop plan for each of `models`.
            channels: as for `predict`.

        Raises:
            ImageError: the image cannot be read, or is refused.
        """
        opened = open_image(image, limits=self.models[0].limits, channels=channels)
        specs = [model.info.preprocess for model in self.models]
        views = [view for spec, plan in zip(specs, plans, strict=True) for view in plan.views(opened.size, spec)]
        needs_all = any(model.exact or not model.info.preprocess.antialiased for model in self.models)
        color = max((spec.color for spec in specs), key=len)
        return opened.decode(color, min_size=None if needs_all else enough_for(views))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @abstractmethod
    def _scores(
        self, image: LoadedImage, plans: Sequence[AnyPlan], average: Average, watch: Stopwatch, *, exact: bool = False
    ) -> ClassScores:
        """The scores of a loaded image by the plans, one for each model. exact: resample the whole image."""

    @abstractmethod
    def _over(self, models: tuple[Classifier, ...]) -> Predictor:
        """The same predictor over other sessions of the same models."""

    def _plans(self, request: Request) -> list[AnyPlan]:
        return [request.plan_for(model.info, model.name) for model in self.models]

    def _predict(self, image: ImageSource, request: Request) -> Prediction:
        plans, scoring, watch = self._plans(request), self.scoring, Stopwatch()
        loaded = self.load(image, plans, channels=request.channels)
        watch.lap("load_ms")
        scores = self._scores(loaded, plans, request.average, watch)
        if are_close(scores.uncalibrated, scoring):  # the lead that counts as close was measured without temperatures
            full = loaded.in_full()
            watch.lap("load_ms")
            if full is not None:
                scores = self._scores(full, plans, request.average, watch, exact=True)
        return request.prediction(scores, self.labels, scoring, watch.timings)

    def _predict_many(
        self, images: Iterable[ImageSource | ImageError], request: Request, *, workers: int, raises: bool
    ) -> Generator[Prediction | ImageError, None, None]:
        from edgekit.runtime.bulk import overlapped

        with (
            self._for_workers(workers) as predictor,
            closing(overlapped(lambda image: predictor._outcome(image, request), images, workers=workers)) as results,
        ):
            for result in results:
                if raises and isinstance(result, ImageError):
                    raise result
                yield result

    def _outcome(self, image: ImageSource | ImageError, request: Request) -> Prediction | ImageError:
        """The prediction, or the ImageError that it raises or the image is."""
        if isinstance(image, ImageError):
            return image
        try:
            return self._predict(image, request)
        except ImageError as error:
            # Its frames refer to the image's bytes: thousands of kept errors would fill the memory.
            error.__traceback__ = error.__context__ = None
            return error

    @contextmanager
    def _for_workers(self, workers: int) -> Iterator[Predictor]:
        """This predictor; for several workers, over sessions with one thread each, which are closed at the end."""
        with ExitStack() as stack:
            models = self.models
            if workers > 1:
                models = tuple(
                    model if model.options.threads == 1 else stack.enter_context(model._with_threads(1))
                    for model in models
                )
            yield self if models == self.models else self._over(models)
