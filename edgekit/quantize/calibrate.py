"""What the calibration images do to a network's activations, measured one image at a time.

Every tensor that will be quantized becomes an output of the graph. An image runs through, its activations are reduced
to a few numbers, and are forgotten: memory does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from edgekit.errors import ArtifactError, DataError
from edgekit.graph.edit import copied
from edgekit.image.source import Pixels
from edgekit.runtime.run_limits import run
from edgekit.runtime.session import open_session

BINS = 2048
# Weight of each further image in the moving average of the extremes; the first one counts fully.
_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActivationStatistics:
    """Extremes of a tensor over all images, and the moving averages of each image's extremes.

    And by channel (axis 1) the mean and the maximum.
    """

    lowest: float
    highest: float
    average_lowest: float
    average_highest: float
    channel_mean: npt.NDArray[np.float64]
    channel_highest: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """The number of values in each of the bins between lowest and highest."""

    lowest: float
    highest: float
    counts: npt.NDArray[np.int64]

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """The middle of each bin."""
        width = (self.highest - self.lowest) / len(self.counts)
        return np.asarray(self.lowest + width * (np.arange(len(self.counts)) + 0.5), np.float64)


class ActivationSession:
    """A session over a model whose tensors of these names are outputs too."""

    def __init__(self, model: ModelProto, tensors: Iterable[str]) -> None:
        model = copied(model)
        outputs = {value.name for value in model.graph.output}
        self.tensors: Sequence[str] = sorted(tensors)
        for name in self.tensors:
            if name not in outputs:
                model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        self._session: ort.InferenceSession = open_session(model.SerializeToString(), name="the network to calibrate")

    def run(self, pixels: Pixels) -> dict[str, npt.NDArray[np.float32]]:
        """The tensors' values for one image."""
        values = run(self._session, self.tensors, {"pixels": pixels})
        return dict(zip(self.tensors, values, strict=True))


def activation_statistics(
    model: ModelProto, tensors: Iterable[str], *, images: Iterable[Pixels], on_image: Callable[[], None] = lambda: None
) -> dict[str, ActivationStatistics]:
    """Statistics of each tensor over the images (1, height, width, channels). Raises DataError without images."""
    session = ActivationSession(model, tensors)
    statistics: dict[str, ActivationStatistics] = {}
    count = 0
    for pixels in images:
        count += 1
        for name, values in session.run(pixels).items():
            statistics[name] = _updated(statistics.get(name), _of_one_image(values, name), count)
        on_image()
    if not count:
        raise DataError("there are no images to calibrate on")
    return statistics


def activation_histograms(
    model: ModelProto,
    statistics: Mapping[str, ActivationStatistics],
    *,
    images: Iterable[Pixels],
    on_image: Callable[[], None] = lambda: None,
) -> dict[str, Histogram]:
    """Each tensor's histogram over the images, between the extremes in its statistics of the same images."""
    session = ActivationSession(model, statistics)
    counts = {name: np.zeros(BINS, np.int64) for name in statistics}
    for pixels in images:
        for name, values in session.run(pixels).items():
            counts[name] += _bin_counts(values, statistics[name])
        on_image()
    return {
        name: Histogram(lowest=tensor.lowest, highest=tensor.highest, counts=counts[name])
        for name, tensor in statistics.items()
    }


def _of_one_image(values: npt.NDArray[np.float32], name: str) -> ActivationStatistics:
    channels = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1) if values.ndim > 1 else values.reshape(1, -1)
    channel_highest = channels.max(axis=1).astype(np.float64)
    lowest, highest = float(channels.min()), float(channel_highest.max())
    if not np.isfinite((lowest, highest)).all():
        raise ArtifactError(f"the network's tensor {name!r:.100} is not finite for a calibration image")
    return ActivationStatistics(
        lowest=lowest,
        highest=highest,
        average_lowest=lowest,
        average_highest=highest,
        channel_mean=channels.mean(axis=1, dtype=np.float64),
        channel_highest=channel_highest,
    )


def _updated(before: ActivationStatistics | None, image: ActivationStatistics, count: int) -> ActivationStatistics:
    """The statistics with those of one more image, the `count`-th."""
    if before is None:
        return image
    return ActivationStatistics(
        lowest=min(before.lowest, image.lowest),
        highest=max(before.highest, image.highest),
        average_lowest=before.average_lowest + _MOMENTUM * (image.lowest - before.average_lowest),
        average_highest=before.average_highest + _MOMENTUM * (image.highest - before.average_highest),
        channel_mean=before.channel_mean + (image.channel_mean - before.channel_mean) / count,
        channel_highest=np.maximum(before.channel_highest, image.channel_highest),
    )


def _bin_counts(values: npt.NDArray[np.float32], tensor: ActivationStatistics) -> npt.NDArray[np.int64]:
    width = (tensor.highest - tensor.lowest) / BINS
    if width <= 0:
        return np.bincount(np.zeros(values.size, np.intp), minlength=BINS)
    bins = ((values.reshape(-1) - np.float32(tensor.lowest)) * np.float32(1 / width)).astype(np.int32)
    return np.bincount(np.clip(bins, 0, BINS - 1, out=bins), minlength=BINS)
