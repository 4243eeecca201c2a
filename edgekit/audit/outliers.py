"""Outliers: images that look like no class, or like no other image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edgekit.audit.cross_validation import Floats, Indexes

_FENCE = 1.5  # interquartile ranges above the upper quartile (Tukey 1977, "Exploratory Data Analysis")


class Outlier(NamedTuple):
    """How far an image is from what its data set shows.

    Attributes:
        image: index of the image.
        score: 0 for an image at the upper quartile, 1 for one at the fence, 1.5 interquartile ranges above it.
        is_outlier: whether the score is above 1.
    """

    image: int
    score: float
    is_outlier: bool


def rank_outliers(distances: Floats, images: Indexes) -> list[Outlier]:
    """Rank images by their distance, the farthest first.

    Args:
        distances: float64 (N,), from `Judgment`.
        images: int64 (N,), what the outliers call each image.
    """
    low, high = np.quantile(distances, (0.25, 0.75))
    spread = _FENCE * (high - low)
    if not spread > 0:  # all look alike
        return []
    scores = (distances - high) / spread
    order = np.argsort(-scores, kind="stable").tolist()
    return [Outlier(int(images[n]), float(scores[n]), bool(scores[n] > 1)) for n in order]
