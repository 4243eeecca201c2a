"""How long a picture takes from its file to its label, each contender in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgekit.dataset import PictureSet
from edgekit.evaluate.intervals import Estimate
from edgekit.evaluate.predictions import Contender
from edgekit.evaluate.timing import in_turn, ratio
from edgekit.image.load import PictureSource

_PICTURES = 4
_ROUNDS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """median_ms: of one picture. speedup: over the first contender, with the interval that the rounds allow."""

    median_ms: float
    speedup: Estimate


def speeds(contenders: Sequence[Contender], pictures: PictureSet) -> tuple[Speed, ...]:
    """Of each contender, on the same few of the (readable) pictures."""
    sources = pictures.sample(_PICTURES, seed=0).sources
    taken = in_turn([_predicting(contender, sources) for contender in contenders], rounds=_ROUNDS)
    return tuple(
        Speed(median_ms=float(np.median(seconds)) * 1e3 / len(sources), speedup=ratio(taken[0], seconds))
        for seconds in taken
    )


def _predicting(contender: Contender, sources: Sequence[PictureSource]) -> Callable[[], None]:
    def predict_all() -> None:
        for source in sources:
            contender.classifier.predict(source, top=1, plan=contender.crops)

    return predict_all
