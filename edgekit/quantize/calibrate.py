"""Measure a network's activations on the calibration images, one image at a time.

Every tensor that will be quantized becomes an output of the graph. The activations of each image are reduced to a few
statistics and then discarded, so memory does not grow with the number of images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from edgekit.errors import ArtifactError, DataError, quote
from edgekit.graph.edit import copied
from edgekit.image.source import Pixels
from edgekit.runtime.run_limits import run
from edgekit.runtime.session import open_session

BINS = 2048
# Weight of each image in the moving average of the extremes; the average starts at the first image.
_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ActivationStatistics:
    """Statistics of one tensor over the calibration images.

    Attributes:
        lowest: smallest value in any image.
        highest: largest value in any image.
        average_lowest: moving average of each image's smallest value.
        average_highest: moving average of each image's largest value.
        channel_mean: float64 (channels,), the mean of each channel (axis 1).
        channel_highest: float64 (channels,), the largest value of each channel.
    """

    lowest: float
    highest: float
    average_lowest: float
    average_highest: float
    channel_mean: npt.NDArray[np.float64]
    channel_highest: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Histogram:
    """A histogram of one tensor over the calibration images.

    Attributes:
        lowest: lower edge of the first bin.
        highest: upper edge of the last bin.
        counts: int64 (BINS,), the number of values in each of the bins, which are equally wide.
    """

    lowest: float
    highest: float
    counts: npt.NDArray[np.int64]

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """float64 (BINS,), the center of each bin."""
        width = (self.highest - self.lowest) / len(self.counts)
        return np.asarray(self.lowest + width * (np.arange(len(self.counts)) + 0.5), np.float64)


class ActivationSession:
    """An onnxruntime session that also outputs intermediate tensors.

    Args:
        model: network whose input is `pixels`, uint8 (1, height, width, channels).
        tensors: names of the tensors to output.
    """

    def __init__(self, model: ModelProto, tensors: Iterable[str]) -> None:
        model = copied(model)
        outputs = {value.name for value in model.graph.output}
        self.tensors: Sequence[str] = sorted(tensors)
        for name in self.tensors:
            if name not in outputs:
                model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        self._session: ort.InferenceSession = open_session(model.SerializeToString(), name="the network to calibrate")

    def run(self, pixels: Pixels) -> dict[str, npt.NDArray[np.float32]]:
        """Run the network on one image, uint8 (1, height, width, channels), and return each tensor by its name."""
        if not self.tensors:  # onnxruntime would compute all outputs
            return {}
        values = run(self._session, self.tensors, {"pixels": pixels})
        return dict(zip(self.tensors, values, strict=True))


def activation_statistics(
    model: ModelProto, tensors: Iterable[str], *, images: Iterable[Pixels], on_image: Callable[[], None] = lambda: None
) -> dict[str, ActivationStatistics]:
    """Measure the statistics of each tensor over the calibration images.

    Args:
        model: float network; its nodes need names (`graph.passes.name_nodes`).
        tensors: names of the tensors to measure, usually those of `quantized_tensors`.
        images: calibration images, uint8 (1, height, width, channels) each.
        on_image: called after each image.

    Returns:
        The statistics of each tensor by its name.

    Raises:
        ArtifactError: a tensor has a value that is not finite.
        DataError: there are no images.
    """
    session = ActivationSession(model, tensors)
    statistics: dict[str, ActivationStatistics] = {}
    count = 0
    for pixels in images:
        count += 1
        for name, values in session.run(pixels).items():
            statistics[name] = _accumulated(statistics.get(name), _image_statistics(values, name), count)
        on_image()
    if not count:
        raise DataError("quantization needs at least one calibration image (got none)")
    return statistics


def activation_histograms(
    model: ModelProto,
    statistics: Mapping[str, ActivationStatistics],
    *,
    images: Iterable[Pixels],
    on_image: Callable[[], None] = lambda: None,
) -> dict[str, Histogram]:
    """Build the histogram of each tensor over the calibration images.

    Args:
        model: float network, the one that `statistics` were measured on.
        statistics: statistics by tensor name, measured on the same images; their extremes are the outer edges.
        images: calibration images, uint8 (1, height, width, channels) each.
        on_image: called after each image.

    Returns:
        The histogram of each tensor in `statistics` by its name.
    """
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


def _image_statistics(values: npt.NDArray[np.float32], name: str) -> ActivationStatistics:
    channels = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1) if values.ndim > 1 else values.reshape(1, -1)
    channel_highest = channels.max(axis=1).astype(np.float64)
    lowest, highest = float(channels.min()), float(channel_highest.max())
    if not np.isfinite((lowest, highest)).all():
        raise ArtifactError(f"tensor {quote(name)} has values that are not finite on a calibration image")
    return ActivationStatistics(
        lowest=lowest,
        highest=highest,
        average_lowest=lowest,
        average_highest=highest,
        channel_mean=channels.mean(axis=1, dtype=np.float64),
        channel_highest=channel_highest,
    )


def _accumulated(total: ActivationStatistics | None, image: ActivationStatistics, count: int) -> ActivationStatistics:
    """The statistics of `count` images: `total` of all but the last, and `image` of the last."""
    if total is None:
        return image
    return ActivationStatistics(
        lowest=min(total.lowest, image.lowest),
        highest=max(total.highest, image.highest),
        average_lowest=total.average_lowest + _MOMENTUM * (image.lowest - total.average_lowest),
        average_highest=total.average_highest + _MOMENTUM * (image.highest - total.average_highest),
        channel_mean=total.channel_mean + (image.channel_mean - total.channel_mean) / count,
        channel_highest=np.maximum(total.channel_highest, image.channel_highest),
    )


def _bin_counts(values: npt.NDArray[np.float32], tensor: ActivationStatistics) -> npt.NDArray[np.int64]:
    width = (tensor.highest - tensor.lowest) / BINS
    if width <= 0:
        return np.bincount(np.zeros(values.size, np.intp), minlength=BINS)
    bins = ((values.reshape(-1) - np.float32(tensor.lowest)) * np.float32(1 / width)).astype(np.int32)
    return np.bincount(np.clip(bins, 0, BINS - 1, out=bins), minlength=BINS)
