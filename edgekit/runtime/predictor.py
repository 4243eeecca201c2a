"""What a classifier and an ensemble of them have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Self

from edgekit.errors import ImageError, SpecError
from edgekit.image.load import Channels
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Average
from edgekit.runtime.prediction import Plan, Prediction


class Predictor(ABC):
    """Base class of Classifier and Ensemble. Use as a context manager to release the session."""

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the probabilities."""

    @abstractmethod
    def warmup(self) -> None:
        """Run every network once, so that the first prediction takes no longer than the next."""

    @abstractmethod
    def close(self) -> None:
        """Give memory and threads back; predicting after it is an error."""

    @abstractmethod
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
        """The most probable classes of one image, by the mean over the plan's views.

        image: whatever load_image takes. top: how many classes (all where there are fewer). plan: a plan or its name:
        center, flip, five, ten, grid:RxC, multi-scale, wide, whole, or adaptive where the file holds one. budget: how
        many views adaptive may take, in the mean over many images. average: of the views' probabilities, or of their
        logits, as adaptive always does. unknown_below: under this probability the label is "unknown". channels: the
        order in arrays. Raises ImageError for an image that cannot be read or is refused.
        """

    def predict_many(
        self,
        images: Iterable[ImageSource],
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Iterator[Prediction | ImageError]:
        """One prediction for each image, in order, as they are ready; an image that fails yields its ImageError."""
        if isinstance(images, str | bytes):
            raise SpecError("predict_many takes several pictures; put the one into a list, or call predict")
        for image in images:
            try:
                yield self.predict(
                    image,
                    top=top,
                    plan=plan,
                    budget=budget,
                    average=average,
                    unknown_below=unknown_below,
                    channels=channels,
                )
            except ImageError as error:
                yield error

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
        """As predict, in a thread, while the event loop goes on."""
        import asyncio  # here, because most programs go without it

        return await asyncio.to_thread(
            self.predict,
            image,
            top=top,
            plan=plan,
            budget=budget,
            average=average,
            unknown_below=unknown_below,
            channels=channels,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
