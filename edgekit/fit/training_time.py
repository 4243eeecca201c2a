"""How long candidates are trained on an image, estimated from the measured speeds of a few of them.

The time is a weighted sum of three amounts of work: multiply-accumulates, values that layers write, and layers.
Multiply-accumulates alone mislead: on a CPU, a depthwise network takes up to five times as long for each of them as a
ResNet, because it writes many more values.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edgekit.fit.nonnegative import nonnegative_least_squares

if TYPE_CHECKING:
    from edgekit.fit.layers import Layer


class TrainingWork(NamedTuple):
    """What the time of training an image is a weighted sum of.

    Attributes:
        macs: multiply-accumulates of all layers.
        values: that all layers write.
        layers: number of layers.
    """

    macs: int
    values: int
    layers: int


def training_work(layers: Sequence[Layer]) -> TrainingWork:
    """The work of a candidate.

    Args:
        layers: of the candidate, from `layers.Traces`.
    """
    values = sum(math.prod(layer.output) * layer.channels for layer in layers)
    return TrainingWork(sum(layer.macs for layer in layers), values, len(layers))


def representatives(works: Mapping[str, TrainingWork], families: Mapping[str, str]) -> list[str]:
    """The candidates whose speeds tell those of all others: the smallest, the largest, and the middle of each family.

    Args:
        works: of all candidates, by name.
        families: of all candidates, by name.

    Returns:
        Names, each once.
    """
    ranked = sorted(works, key=lambda name: (works[name], name))
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name in ranked:
        members[families[name]].append(name)
    return list(dict.fromkeys([ranked[0], ranked[-1], *(own[len(own) // 2] for own in members.values())]))


def training_seconds(works: Mapping[str, TrainingWork], speeds: Mapping[str, float]) -> dict[str, float]:
    """Estimate the time that training takes for an image.

    Args:
        works: of the candidates, by name.
        speeds: images that some of them train in a second, by name.

    Returns:
        Seconds for each candidate of `works`.
    """
    measured = np.array([1 / speed for speed in speeds.values()])
    amounts = np.array([works[name] for name in speeds], float) / measured[:, None]
    units = nonnegative_least_squares(amounts, np.ones(len(measured)))
    return {name: float(np.array(work, float) @ units) for name, work in works.items()}
