"""How the time of a search is divided over its rounds, and what each of them can train in its share.

Successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943; Li et al. 2020, arXiv 1810.05934): all candidates get
a little, the better ones of them several times more, and the best one most of the time. Candidates of a round have the
same time, not the same number of images: the device's budget limits the network, the user's time limits its training,
and a network that learns more in that time is the better one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Shares of the time that is left after the candidates have been measured. The rest, a tenth, is for the export, the
# quantization and the verification of the chosen one.
_RUNG_SHARES, _ONLY_RUNG_SHARE = (0.2, 0.2), 0.3
FINAL_SHARE = 0.5
_REDUCTION = 3  # one of three candidates goes on
_SECONDS_FOR_CANDIDATE = 240  # of the search, for each candidate that is tried
_FEWEST, _MOST = 3, 8
_FEWEST_EPOCHS, _MOST_EPOCHS = 2, 20  # of the first rung
_MOST_FINAL_EPOCHS = 200
_START_S = 3.0  # to build a network and to start the process that reads images
_EVALUATION = 1 / 3  # of the time that training takes, for each image: there is no backward pass
_MARGIN = 0.9  # of the time that is planned for; the machine may have other work


def candidate_count(seconds: float) -> int:
    """How many candidates to try in a search of this length."""
    return min(max(int(seconds / _SECONDS_FOR_CANDIDATE), _FEWEST), _MOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the rungs train.

    Attributes:
        epochs: of each rung, from the first epoch of a training on.
        survivors: number of candidates that each rung passes on.
        images: number of training images that each candidate learns from, by name.
        begun: seconds of the search before it.
    """

    epochs: tuple[int, ...]
    survivors: tuple[int, ...]
    images: Mapping[str, int]
    begun: float

    def passes(self, training_images: int) -> float:
        """How often the candidate in the middle sees every image in the first rung; below 1, chance decides.

        Args:
            training_images: number of images to learn from.
        """
        return self.epochs[0] * statistics.median(self.images.values()) / training_images

    def to_dict(self) -> dict[str, Any]:
        """The plan as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Plan:
        """The inverse of `to_dict`."""
        return cls(**{**values, "epochs": tuple(values["epochs"]), "survivors": tuple(values["survivors"])})


def divide(
    seconds: float, speeds: Mapping[str, float], *, begun: float, training_images: int, held_out_images: int
) -> Plan:
    """Divide the time over the rungs.

    Args:
        seconds: of the whole search.
        begun: those that have passed.
        speeds: images that each candidate trains in a second, by name.
        training_images: number of images to learn from.
        held_out_images: number of images that a rung is judged by.
    """
    count, seconds = len(speeds), max(seconds - begun, 0.0)
    survivors = math.ceil(count / _REDUCTION)
    first = _seconds_each(seconds * (_RUNG_SHARES[0] if survivors > 1 else _ONLY_RUNG_SHARE), count)
    passes = {
        name: max(first - _EVALUATION * held_out_images / speed, 1.0) * speed / training_images
        for name, speed in speeds.items()
    }
    epochs = min(max(round(statistics.median(passes.values())), _FEWEST_EPOCHS), _MOST_EPOCHS)
    images = {
        name: min(max(math.ceil(training_images * share / epochs), 1), training_images)
        for name, share in passes.items()
    }
    if survivors == 1:
        return Plan(epochs=(epochs,), survivors=(1,), images=images, begun=begun)
    second = _seconds_each(seconds * _RUNG_SHARES[1], survivors)
    both = (epochs, epochs + max(round(epochs * second / first), 1))
    return Plan(epochs=both, survivors=(survivors, 1), images=images, begun=begun)


def final_epochs(seconds: float, speed: float, *, images: int, val_images: int) -> int:
    """The number of epochs of the final training.

    Args:
        seconds: for it.
        speed: images that it trains in a second.
        images: number of images that it learns from.
        val_images: number of images that it is evaluated on at its end.
    """
    usable = max(_MARGIN * seconds - _START_S - _EVALUATION * val_images / speed, 0.0)
    return min(max(int(usable * speed / images), 1), _MOST_FINAL_EPOCHS)


def _seconds_each(seconds: float, count: int) -> float:
    return max(_MARGIN * seconds / count - _START_S, 1.0)
