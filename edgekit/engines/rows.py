"""Predictions of rows, whichever engine has them: images in one column, what is predicted in further columns."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from edgekit.engines.row_images import image_source
from edgekit.errors import ImageError
from edgekit.image.load import Channels
from edgekit.image.source import ImageSource
from edgekit.preprocess.scores import Average
from edgekit.runtime.classifier import Classifier, ModelSource
from edgekit.runtime.prediction import Plan
from edgekit.runtime.predictor import Predictor

if TYPE_CHECKING:
    import pyarrow

    from edgekit.runtime.prediction import Prediction

AnyModel: TypeAlias = "ModelSource | Predictor"

_LABEL, _PROBABILITY, _TOP, _LABELS, _ERROR = "label", "probability", "top", "labels", "error"


class RowPredictor:
    """Predicts the images of rows, one at a time, with one thread. Pickled, it opens its model again.

    Args:
        model: as for `Classifier`, which is then opened with one thread; or a Classifier or Ensemble that is used as it
            is. Workers on other machines open a path there: pass the bytes of the file if they do not have it.
        top: as for `Classifier.predict`, and so are plan, budget, average and unknown_below.
        plan: as above.
        budget: as above.
        average: as above.
        unknown_below: as above.
        channels: channel order of decoded arrays, "RGB" or "BGR".

    Raises:
        ArtifactError: the model is not found, is not an edgekit artifact, or is refused.
        SpecError: an argument is not valid.
    """

    def __init__(
        self,
        model: AnyModel | None = None,
        *,
        top: int = 5,
        plan: Plan = "center",
        budget: float | None = None,
        average: Average = "probabilities",
        unknown_below: float = 0.0,
        channels: Channels = "RGB",
    ) -> None:
        self._predictor = model if isinstance(model, Predictor) else Classifier(model, threads=1)
        self._top, self._plan, self._budget, self._average = top, plan, budget, average
        self._unknown_below, self._channels = unknown_below, channels
        self._results(()).close()  # an argument that is not valid is an error here, not in a worker

    @property
    def is_multi_label(self) -> bool:
        """Whether an image may have several labels; there is a column `labels` then."""
        return self._predictor.scoring.is_multi_label

    def columns(self, images: Iterable[object]) -> dict[str, list[Any]]:
        """Predict images.

        Args:
            images: paths, URIs of object stores, encoded bytes, uint8 arrays of shape (H, W, 3), (H, W, 1) or (H, W),
                or structs that have such a value as "bytes" or "path", as in the data sets of Hugging Face.

        Returns:
            For each of label, probability, top, labels (of multi-label models) and error a list of the values of all
            images: None in `error` if an image was predicted, and in all others if it was not.
        """
        rows = [self._row(result) for result in self._results(map(image_source, images))]
        return {name: [row.get(name) for row in rows] for name in self.names}

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of a prediction."""
        return _LABEL, _PROBABILITY, _TOP, *([_LABELS] if self.is_multi_label else []), _ERROR

    def arrow_types(self) -> dict[str, pyarrow.DataType]:
        """The types of the columns."""
        import pyarrow

        score = [("label", pyarrow.string()), ("index", pyarrow.int32()), ("probability", pyarrow.float64())]
        scores = pyarrow.list_(pyarrow.struct(score))
        types = {_LABEL: pyarrow.string(), _PROBABILITY: pyarrow.float64(), _TOP: scores, _LABELS: scores}
        return {name: types.get(name, pyarrow.string()) for name in self.names}

    def _results(self, images: Iterable[ImageSource | ImageError]) -> Generator[Prediction | ImageError, None, None]:
        return self._predictor.predict_many(
            images,
            workers=1,
            top=self._top,
            plan=self._plan,
            budget=self._budget,
            average=self._average,
            unknown_below=self._unknown_below,
            channels=self._channels,
        )

    @staticmethod
    def _row(result: Prediction | ImageError) -> dict[str, Any]:
        if isinstance(result, ImageError):
            return {_ERROR: str(result)}
        scores = {name: value for name, value in result.to_dict().items() if name in (_TOP, _LABELS)}
        return {_LABEL: result.label, _PROBABILITY: result.probability, **scores}
