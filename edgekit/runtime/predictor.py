"""What a classifier and an ensemble of them have in common: the ways to ask them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Self

from edgekit.errors import ImageError, SpecError
from edgekit.image.load import Channels, PictureSource
from edgekit.preprocess.scores import Average
from edgekit.runtime.prediction import Plan, Prediction, Request


class Predictor(ABC):
    """Whatever says what is on a picture. A context manager: it ends by `close`."""

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
    def answered(self, image: PictureSource, request: Request) -> Prediction:
        """The answer to what was asked of one picture."""

    def predict(
        self,
        image: PictureSource,
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Prediction:
        """The most probable classes of one picture, by the mean over the plan's views.

        image: whatever image.load takes. top: how many classes (all where there are fewer). plan: a plan or its name:
        center, flip, five, ten, grid:RxC, multi-scale, wide, whole, or adaptive where the file holds one. budget: how
        many views adaptive may take, in the mean over many pictures. average: of the views' probabilities, or of their
        logits, as adaptive always does. unknown_below: under this probability the label is "unknown". channels: the
        order in arrays. Raises ImageError for a picture that cannot be read or is refused.
        """
        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        return self.answered(image, request)

    def predict_many(
        self,
        images: Iterable[PictureSource],
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> Iterator[Prediction | ImageError]:
        """One answer for each picture, in order, as they are ready; a picture that fails answers its ImageError."""
        if isinstance(images, str | bytes):
            raise SpecError("predict_many takes several pictures; put the one into a list, or call predict")
        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        for picture in images:
            try:
                yield self.answered(picture, request)
            except ImageError as error:
                yield error

    async def predict_async(
        self,
        image: PictureSource,
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

        request = Request(
            top=top, plan=plan, budget=budget, average=average, unknown_below=unknown_below, channels=channels
        )
        return await asyncio.to_thread(self.answered, image, request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
