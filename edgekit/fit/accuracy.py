"""The accuracy to expect of a candidate before it is trained: what networks of its kind and size have on ImageNet.

The error falls with the size of the network and of its last grid by the same law in all families: -log(1 - accuracy)
is a constant of the family plus a parabola in log(multiply-accumulates for each position of the last grid) and one in
log(side of the grid). The constants and both parabolas are fitted to all published accuracies at once; the fit is
within 1.5 percentage points of each of them, 0.5 in the root mean square.

On other data, and above all on small images, this only ranks candidates; their accuracies there are others.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgekit.errors import SpecError, unknown
from edgekit.fit.published_accuracies import INT8_LOSS, PUBLISHED_ACCURACIES

if TYPE_CHECKING:
    from edgekit.fit.candidate import Candidate

_STRIDE = 32  # from the input to the last grid, of every network in the table
_SOFTNESS = 0.1  # of the exponent, which is 0.6 and more in the table
# Which family of the table a network belongs to, by the beginning of its name; the longest one counts.
_FAMILIES = {
    "efficientnet": "efficientnet",
    "efficientnet_lite": "efficientnet_lite",
    "mobilenet_v1": "mobilenet_v1",
    "mobilenet_v2": "mobilenet_v2",
    "mobilenet_v3_large": "mobilenet_v3_large",
    "mobilenet_v3_small": "mobilenet_v3_small",
    "resnet": "resnet",
    "resnet50": "resnet_bottleneck",
}


def prior_accuracy(candidate: Candidate, *, macs: int) -> float:
    """The top-1 accuracy that a network of this kind and size has on ImageNet, 0 to 1.

    A network whose strides were removed for small images corresponds to the one with the same last grid: 32 pixels at a
    total stride of 8 are as 128 pixels at 32. For int8, the mean loss of the EfficientNet-Lite family is subtracted.

    Args:
        candidate: of `space.candidates`.
        macs: its multiply-accumulates for one image.

    Raises:
        SpecError: nothing is published of the family of its network.
    """
    side = candidate.resolution / total_stride(candidate)
    accuracy = _law().accuracy(family_of(candidate.network), macs=macs, side=side)
    return accuracy if candidate.precision == "float32" else max(accuracy - INT8_LOSS / 100, 0.0)


def total_stride(candidate: Candidate) -> int:
    """How many pixels of the input a step in the last grid of a candidate's network is."""
    return (candidate.stem_stride or 2) * math.prod(candidate.stage_strides or (_STRIDE // 2,))


def family_of(network: str) -> str:
    """The family in the table of published accuracies that a network belongs to. Raises SpecError if there is none."""
    beginnings = [beginning for beginning in _FAMILIES if network.startswith(beginning)]
    if not beginnings:
        raise SpecError(unknown("network with published accuracies", network, _FAMILIES))
    return _FAMILIES[max(beginnings, key=len)]


class _Law(NamedTuple):
    """The fit to the published accuracies.

    Attributes:
        constants: by family.
        capacity: linear and quadratic coefficient of the logarithm of the multiply-accumulates for each position.
        grid: the same of the logarithm of the side of the last grid.
    """

    constants: Mapping[str, float]
    capacity: tuple[float, float]
    grid: tuple[float, float]

    def accuracy(self, family: str, *, macs: float, side: float) -> float:
        capacity, grid = _coordinates(macs, side)
        exponent = self.constants[family] + _rising(self.capacity, capacity) + _rising(self.grid, grid)
        # Smoothly towards 0 where the parabolas leave the range of the table, so that tiny networks are still ordered.
        return 1 - math.exp(-_SOFTNESS * math.log1p(math.exp(exponent / _SOFTNESS)))


def _coordinates(macs: float, side: float) -> tuple[float, float]:
    return math.log(macs / 1e6 / side**2), math.log(side)


def _rising(coefficients: tuple[float, float], x: float) -> float:
    """A parabola up to its vertex, and the vertex after it: more of anything never lowers the accuracy."""
    linear, quadratic = coefficients
    x = min(x, -linear / (2 * quadratic))
    return linear * x + quadratic * x**2


@functools.cache
def _law() -> _Law:
    families = sorted({point.family for point in PUBLISHED_ACCURACIES})
    rows, targets = [], []
    for point in PUBLISHED_ACCURACIES:
        capacity, grid = _coordinates(point.macs, point.resolution / _STRIDE)
        constants = [float(family == point.family) for family in families]
        rows.append([*constants, capacity, capacity**2, grid, grid**2])
        targets.append(-math.log(1 - point.top1 / 100))
    solution = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0].tolist()
    constants, (c1, c2, g1, g2) = solution[: len(families)], solution[len(families) :]
    return _Law(dict(zip(families, constants, strict=True)), (c1, c2), (g1, g2))
