"""Outliers by Tukey's fence."""

import numpy as np

from edgekit.audit.outliers import rank_outliers


def test_rank_outliers_puts_the_fence_at_score_1():
    distances = np.arange(101.0)  # quartiles 25 and 75
    distances[7], distances[9] = 151, 149
    low, high = np.quantile(distances, (0.25, 0.75))
    outliers = rank_outliers(distances, np.arange(101) + 1000)
    assert (outliers[0].image, outliers[1].image) == (1007, 1009)
    assert outliers[0].score == (151 - high) / (1.5 * (high - low))
    assert [outlier.is_outlier for outlier in outliers[:3]] == [outlier.score > 1 for outlier in outliers[:3]]
    assert [outlier.score for outlier in outliers] == sorted((o.score for o in outliers), reverse=True)


def test_rank_outliers_of_equal_distances_finds_none():
    assert rank_outliers(np.ones(20), np.arange(20)) == []
