"""Fitting the temperature that calibrates a model's probabilities, to images that do not measure the result.

A model's probabilities are calibrated if predictions with 80% confidence are right 80% of the time. One number, by
which the logits are divided, brings most networks close to that (Guo et al. 2017, arXiv 1706.04599, section 4.2). It is
fitted to images that the network was not trained on, because the network is surer of those that it knows. The
calibration error is measured on other images, because it is too small on those of the fit. The accuracy may be measured
on all: no temperature changes a label.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgekit.artifact.info import ArtifactInfo
from edgekit.dataset import ImageSet
from edgekit.errors import DataError, check_types, quote
from edgekit.evaluate.intervals import Interval
from edgekit.evaluate.rows import blocks, of_rows
from edgekit.image.source import ImageSource, StoredImage
from edgekit.preprocess.scores import Floats
from edgekit.runtime.classifier import Classifier

MIN_IMAGES = 100
MAX_IMAGES = 1000  # their interval is about 6% wide on each side; more images make a fit slower, not visibly better
_FITTED_SHARE = 0.2
_LIMITS = (0.05, 20.0)
_STEPS = 40  # of a search: golden sections end narrower than 1e-7, halvings narrower than 1e-11
_NAMED = (str, os.PathLike, bytes, StoredImage)  # sources that are equal if they are the same image
_CHI_SQUARED_95 = 3.841458820694124  # with one degree of freedom


def images_for_temperature(images: ImageSet) -> ImageSet | None:
    """Draw the images that a temperature is fitted to from labeled images that measure a model.

    These are a fifth of the images, but at least 100 and at most 1000. None are drawn from fewer than 200 images, so
    that at least 100 others measure the calibration error. The same images are drawn each time.

    Args:
        images: labeled images that the model was not trained on.

    Returns:
        The images of the fit; None if `images` are fewer than 200.

    Raises:
        SpecError: `images` is not an ImageSet.

    Example:
        >>> from edgekit import dataset
        >>> from edgekit.evaluate import images_for_temperature
        >>> images_for_temperature(dataset.read("photos", "val")) is None  # it has 72 images
        True
    """
    check_types(ImageSet, images=images)
    if len(images) < 2 * MIN_IMAGES:
        return None
    count = min(max(round(_FITTED_SHARE * len(images)), MIN_IMAGES), MAX_IMAGES)
    order = np.random.default_rng(0).permutation(len(images)).tolist()
    return images.subset(sorted(order[:count]))


def are_among(images: ImageSet, others: ImageSet) -> npt.NDArray[np.bool_]:
    """Whether each image is also in another set, bool (N,): same name, and same file or content."""
    known = set(_members(others))
    return np.array([member in known for member in _members(images)], bool)


def require_fit_images(temperature_images: ImageSet | None, **others: ImageSet | None) -> None:
    """Check the images that a temperature is to be fitted to, and that no image is in two sets.

    Args:
        temperature_images: the images of the fit; None for no fit.
        others: the sets that no image of the fit may be in, by the names of their arguments.

    Raises:
        DataError: the images of the fit have no labels or are fewer than 100, or an image is in two of the sets.
    """
    if temperature_images is not None and not temperature_images.classes:
        raise DataError("`temperature_images` must be labeled images (these have no classes)")
    if temperature_images is not None and len(temperature_images) < MIN_IMAGES:
        raise DataError(f"`temperature_images` must be at least {MIN_IMAGES} images (got {len(temperature_images)})")
    require_disjoint(temperature_images=temperature_images, **others)


def require_disjoint(**images: ImageSet | None) -> None:
    """Check that no image is in two sets.

    Args:
        images: the sets by the names of their arguments; None is an empty set.

    Raises:
        DataError: an image is in two of them: same name, and same file or content.
    """
    sets = {name: set(_members(part)) for name, part in images.items() if part is not None}
    for (first, ours), (second, theirs) in itertools.combinations(sets.items(), 2):
        shared = sorted(name for name, _ in ours & theirs)
        if shared:
            raise DataError(
                f"no image may be in both `{first}` and `{second}` "
                f"(got {len(shared)}, such as {quote(shared[0])}); split the images"
            )


def _members(images: ImageSet) -> list[tuple[str, ImageSource | None]]:
    """The images as hashable values. Arrays and open files go by their names alone."""
    pairs = zip(images.names, images.sources, strict=True)
    return [(name, source if isinstance(source, _NAMED) else None) for name, source in pairs]


def with_fitted_temperature(
    info: ArtifactInfo, logits: Floats, truth: npt.NDArray[np.int64], *, on_warning: Callable[[str], None]
) -> ArtifactInfo:
    """Fit the temperature of a model and record it in its metadata.

    Args:
        info: metadata of the model.
        logits: (N, classes) of the images of the fit.
        truth: int64 (N,) true class indexes.
        on_warning: called with the reason if none is fitted: there are fewer than 100 images, or they do not determine
            it, as when all of them are predicted correctly.

    Returns:
        The metadata with the temperature, in three digits, and the number of images and interval of its fit; unchanged
        if none is fitted.
    """
    if len(truth) < MIN_IMAGES:
        on_warning(f"no temperature was fitted: only {len(truth)} images can be read, and it takes {MIN_IMAGES}")
        return info
    fit = temperature_interval(logits, truth)
    value, low, high = (float(f"{figure:.3g}") for figure in (fit.value, fit.low, fit.high))
    if low <= _LIMITS[0] or high >= _LIMITS[1]:
        correct = int((logits.argmax(axis=1) == truth).sum())
        on_warning(
            f"no temperature was fitted: {len(truth)} images, of which {correct} are predicted correctly, do not "
            f"determine it (95% interval {low:g} to {high:g}); use more images"
        )
        return info
    evidence = {"images": len(truth), "interval": [low, high]}
    return dataclasses.replace(info, temperature=value, temperature_fit=evidence)


def classifier_logits(
    classifier: Classifier, images: ImageSet, *, on_image: Callable[[], None] = lambda: None
) -> Floats:
    """Predict every image as an application would: the logits, float64 (N, classes).

    Args:
        classifier: the model.
        images: the images.
        on_image: called after each image.

    Raises:
        ImageError: an image cannot be read.
    """
    rows = []
    for prediction in classifier.predict_many(images.sources, on_error="raise", top=1):
        rows.append(prediction.logits)
        on_image()
    return np.stack(rows)


def temperature_interval(logits: Floats, truth: npt.NDArray[np.int64]) -> Interval:
    """Fit a temperature, with its 95% likelihood interval.

    The interval has all temperatures at which twice the log-likelihood is less than 3.84 below its maximum (Wilks 1938,
    The Large-Sample Distribution of the Likelihood Ratio; 3.84 is the 95% quantile of chi-squared with one degree of
    freedom). It ends at 0.05 or 20 if the images do not determine the temperature.

    Args:
        logits: (N, classes) logits or log-probabilities.
        truth: int64 (N,) true class indexes.
    """
    nll = _nll_of(logits, logits[np.arange(len(truth)), truth])
    value = _minimum(nll)
    allowed = nll(value) + _CHI_SQUARED_95 / (2 * len(truth))
    low, high = (_crossing(nll, allowed, inside=value, outside=math.log(limit)) for limit in _LIMITS)
    return Interval(value=math.exp(value), low=math.exp(low), high=math.exp(high))


def fit_temperature(logits: Floats, target_logits: Floats) -> float:
    """Find the temperature that minimizes the negative log-likelihood, by golden-section search of its logarithm.

    There is a single minimum, because the negative log-likelihood is convex in 1 / temperature (Guo et al. 2017, arXiv
    1706.04599, section 4.2).

    Args:
        logits: (N, classes) logits or log-probabilities.
        target_logits: (N,) logits of the true classes, or the means of the logits weighted by soft targets.

    Returns:
        A temperature from 0.05 to 20.
    """
    return math.exp(_minimum(_nll_of(logits, target_logits)))


def _nll_of(logits: Floats, target_logits: Floats) -> Callable[[float], float]:
    """The mean negative log-likelihood as a function of the logarithm of the temperature.

    The sum over the images is exact, so that their order does not matter.
    """
    highest = of_rows(logits, lambda rows: rows.max(axis=1))
    targets = np.asarray(target_logits - highest, np.float64)

    def nll(log_temperature: float) -> float:
        inverse = math.exp(-log_temperature)
        terms: list[float] = []
        for rows in blocks(logits):
            shifted = np.asarray(logits[rows] - highest[rows, None], np.float64)
            terms += (np.log(np.exp(shifted * inverse).sum(axis=1)) - targets[rows] * inverse).tolist()
        return math.fsum(terms) / len(terms)

    return nll


def _minimum(nll: Callable[[float], float]) -> float:
    """Where a function with a single minimum between the limits has it, by golden-section search."""
    ratio = (math.sqrt(5) - 1) / 2
    low, high = map(math.log, _LIMITS)
    left, right = high - ratio * (high - low), low + ratio * (high - low)
    at_left, at_right = nll(left), nll(right)
    for _ in range(_STEPS):
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - ratio * (high - low)
            at_left = nll(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + ratio * (high - low)
            at_right = nll(right)
    return (low + high) / 2


def _crossing(nll: Callable[[float], float], allowed: float, *, inside: float, outside: float) -> float:
    """Where the function exceeds `allowed` between a point inside and one outside, by bisection; `outside` if never."""
    if nll(outside) <= allowed:
        return outside
    for _ in range(_STEPS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if nll(middle) <= allowed else (inside, middle)
    return inside
