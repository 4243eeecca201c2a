"""What the calibration pictures do to a network's activations, measured one picture at a time.

Every tensor that will be quantized becomes an output of the graph, a picture runs through, its activations are reduced
to a few numbers, and are forgotten: memory does not grow with the number of pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnx import ModelProto, TensorProto, helper

from edgekit.errors import ArtifactError, DataError
from edgekit.graph.index import copied
from edgekit.image.source import Pixels
from edgekit.runtime.run_limits import run
from edgekit.runtime.session import open_session

BINS = 2048
# Weight of each further picture in the moving average of the extremes; the first one counts as it is.
_MOMENTUM = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Activations:
    """A tensor over all pictures: its extremes, and the moving averages of the pictures' extremes.

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
    """How often values lie in each of the bins between lowest and highest."""

    lowest: float
    highest: float
    counts: npt.NDArray[np.int64]

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """The middle of each bin."""
        width = (self.highest - self.lowest) / len(self.counts)
        return np.asarray(self.lowest + width * (np.arange(len(self.counts)) + 0.5), np.float64)


class Probe:
    """A session over a model whose tensors of these names are outputs too."""

    def __init__(self, model: ModelProto, tensors: Iterable[str]) -> None:
        probed = copied(model)
        already = {value.name for value in probed.graph.output}
        self.tensors: Sequence[str] = sorted(tensors)
        for name in self.tensors:
            if name not in already:
                probed.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
        self._session: ort.InferenceSession = open_session(probed.SerializeToString(), name="the network to calibrate")

    def run(self, pixels: Pixels) -> dict[str, npt.NDArray[np.float32]]:
        """The tensors' values for one picture."""
        values = run(self._session, self.tensors, {"pixels": pixels})
        return dict(zip(self.tensors, values, strict=True))


def measure(
    model: ModelProto,
    tensors: Iterable[str],
    pictures: Iterable[Pixels],
    *,
    on_picture: Callable[[], None] = lambda: None,
) -> dict[str, Activations]:
    """Each tensor's activations over the pictures (1, height, width, channels). Raises DataError without pictures."""
    probe = Probe(model, tensors)
    totals: dict[str, Activations] = {}
    count = 0
    for pixels in pictures:
        count += 1
        for name, values in probe.run(pixels).items():
            totals[name] = _joined(totals.get(name), _of_one(values, name), count)
        on_picture()
    if not count:
        raise DataError("there are no pictures to calibrate on")
    return totals


def histograms(
    model: ModelProto,
    activations: dict[str, Activations],
    pictures: Iterable[Pixels],
    *,
    on_picture: Callable[[], None] = lambda: None,
) -> dict[str, Histogram]:
    """Each tensor's histogram over the pictures, between the extremes that `measure` found on the same ones."""
    probe = Probe(model, activations)
    counts = {name: np.zeros(BINS, np.int64) for name in activations}
    for pixels in pictures:
        for name, values in probe.run(pixels).items():
            counts[name] += _counted(values, activations[name])
        on_picture()
    return {
        name: Histogram(lowest=seen.lowest, highest=seen.highest, counts=counts[name])
        for name, seen in activations.items()
    }


def _of_one(values: npt.NDArray[np.float32], name: str) -> Activations:
    channels = np.moveaxis(values, 1, 0).reshape(values.shape[1], -1) if values.ndim > 1 else values.reshape(1, -1)
    highest = channels.max(axis=1).astype(np.float64)
    low, high = float(channels.min()), float(highest.max())
    if not np.isfinite((low, high)).all():
        raise ArtifactError(f"the network's tensor {name!r:.100} is not finite for a calibration picture")
    return Activations(
        lowest=low,
        highest=high,
        average_lowest=low,
        average_highest=high,
        channel_mean=channels.mean(axis=1, dtype=np.float64),
        channel_highest=highest,
    )


def _joined(all_before: Activations | None, one: Activations, count: int) -> Activations:
    if all_before is None:
        return one
    return Activations(
        lowest=min(all_before.lowest, one.lowest),
        highest=max(all_before.highest, one.highest),
        average_lowest=all_before.average_lowest + _MOMENTUM * (one.lowest - all_before.average_lowest),
        average_highest=all_before.average_highest + _MOMENTUM * (one.highest - all_before.average_highest),
        channel_mean=all_before.channel_mean + (one.channel_mean - all_before.channel_mean) / count,
        channel_highest=np.maximum(all_before.channel_highest, one.channel_highest),
    )


def _counted(values: npt.NDArray[np.float32], seen: Activations) -> npt.NDArray[np.int64]:
    width = (seen.highest - seen.lowest) / BINS
    if width <= 0:
        return np.bincount(np.zeros(values.size, np.intp), minlength=BINS)
    bins = ((values.reshape(-1) - np.float32(seen.lowest)) * np.float32(1 / width)).astype(np.int32)
    return np.bincount(np.clip(bins, 0, BINS - 1, out=bins), minlength=BINS)
