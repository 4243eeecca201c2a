"""Perceptual descriptors of thumbnails: vectors whose dot product shows how alike two images are.

A descriptor is the low-frequency part of the thumbnail's discrete cosine transform, as in perceptual hashes, but not
reduced to bits: each frequency is divided by what it usually amounts to. First that is 1 / frequency, as in natural
images (Field 1987); with many images it is their own covariance, so that what all of them share, such as the black
border of digits, makes no two of them alike.

Mirroring an image changes the sign of the odd horizontal frequencies and nothing else. The two groups are kept apart,
so that one product per group serves the image and its mirror image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgekit.audit.survey import SIDE

Floats = npt.NDArray[np.float32]

_PRIOR_IMAGES = 200  # images' worth of trust in 1 / frequency
_NOISE_SHARE = 0.03  # of the mean variance: coding artifacts must not be amplified


class Descriptors(NamedTuple):
    """Unit vectors in two parts: together, the squares of an image's values sum to 1.

    Attributes:
        even: float32 (N, M), of the frequencies that mirroring keeps.
        odd: float32 (N, L), of those whose sign it changes.
    """

    even: Floats
    odd: Floats

    def at(self, rows: npt.NDArray[np.intp]) -> Descriptors:
        """The descriptors of some of the images."""
        return Descriptors(self.even[rows], self.odd[rows])


class Whitening(NamedTuple):
    """How transformed thumbnails become descriptors.

    Attributes:
        mean: float32 (M,), of the even part.
        even: float32 (M, M), what the even part is multiplied by.
        odd: float32 (L, L), what the odd part is multiplied by.
    """

    mean: Floats
    even: Floats
    odd: Floats

    def descriptors(self, even: Floats, odd: Floats) -> Descriptors:
        """The descriptors of transformed thumbnails, of shapes (..., M) and (..., L)."""
        white_even, white_odd = (even - self.mean) @ self.even, odd @ self.odd
        squares = (white_even**2).sum(axis=-1, keepdims=True) + (white_odd**2).sum(axis=-1, keepdims=True)
        norm = np.sqrt(np.maximum(squares, np.finfo(np.float32).tiny))
        return Descriptors(white_even / norm, white_odd / norm)


class Transform:
    """The cosine transform of thumbnails, up to a frequency.

    Args:
        frequencies: number of them in each direction.
    """

    def __init__(self, frequencies: int) -> None:
        number = np.arange(frequencies)
        places = (2 * np.arange(SIDE) + 1) / (2 * SIDE)
        scale = np.where(number == 0, 1.0, 2**0.5) / SIDE**0.5
        self.matrix = (scale[:, None] * np.cos(np.pi * number[:, None] * places)).astype(np.float32)
        vertical, horizontal = np.meshgrid(number, number, indexing="ij")
        radius = np.hypot(vertical, horizontal)
        used = (radius > 0) & (radius < frequencies)  # without the mean brightness
        is_odd = horizontal % 2 == 1
        self._even, self._odd = used & ~is_odd, used & is_odd
        self._even_radius, self._odd_radius = radius[self._even], radius[self._odd]

    def parts(self, coefficients: Floats) -> tuple[Floats, Floats]:
        """The even and the odd part of coefficients (..., frequencies, frequencies), of natural images' variance."""
        even, odd = coefficients[..., self._even], coefficients[..., self._odd]
        return (even * self._even_radius).astype(np.float32), (odd * self._odd_radius).astype(np.float32)

    def of(self, pixels: Floats) -> tuple[Floats, Floats]:
        """The even and the odd part of thumbnails: float32 (N, 32, 32), 0 to 1."""
        return self.parts(self.matrix @ pixels @ self.matrix.T)


def similarity(first: Descriptors, second: Descriptors, sign: npt.NDArray[np.int64] | int = 1) -> Floats:
    """The similarity of each image to the one in the same row of the other descriptors: float32 (N,).

    Args:
        first: of images.
        second: of as many images.
        sign: 1, or -1 to compare with the mirror image; one for all or (N,).
    """
    even, odd = (first.even * second.even).sum(axis=-1), (first.odd * second.odd).sum(axis=-1)
    return np.asarray(even + sign * odd, np.float32)


def whitening(even: Floats, odd: Floats) -> Whitening:
    """Fit the whitening to transformed thumbnails. As with every image its mirror image counts, odd parts average 0.

    Args:
        even: float32 (N, M), from `Transform.of`.
        odd: float32 (N, L).
    """
    mean = even.mean(axis=0)
    centered = even - mean
    variance = float((centered**2).mean() + (odd**2).mean()) / 2
    return Whitening(mean, _whitener(centered, variance), _whitener(odd, variance))


def _whitener(values: Floats, variance: float) -> Floats:
    """The symmetric matrix that decorrelates values (N, M), shrunken toward equal variances."""
    size, total = values.shape[1], len(values) + _PRIOR_IMAGES
    covariance = (values.T @ values + _PRIOR_IMAGES * variance * np.eye(size)) / total
    variances, directions = np.linalg.eigh(covariance)
    scale = 1 / np.sqrt(np.maximum(variances, 0) + _NOISE_SHARE * variance + np.finfo(np.float32).tiny)
    return np.asarray((directions * scale) @ directions.T, np.float32)
