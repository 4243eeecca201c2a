"""The temperature of a model: its minimum and interval compared with scipy's, and the images that it is fitted to."""

import dataclasses

import numpy as np
import pytest
from made_models import LABELS, tiny_info
from made_reports import random_images
from scipy.optimize import brentq, minimize_scalar
from scipy.special import log_softmax
from scipy.stats import chi2

from edgekit.dataset import ImageSet
from edgekit.errors import DataError
from edgekit.evaluate.temperature import (
    are_among,
    images_for_temperature,
    require_disjoint,
    require_fit_images,
    temperature_interval,
    with_fitted_temperature,
)
from edgekit.preprocess.scores import softmax


def draw_predictions(images: int, *, temperature: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (images, 5))
    return logits, np.array([rng.choice(5, p=share) for share in softmax(logits / temperature)])


@pytest.mark.parametrize("images", [100, 1500])
@pytest.mark.parametrize("temperature", [0.4, 1, 3])
def test_temperature_interval_has_the_likelihoods_that_wilks_allows(images, temperature):
    logits, truth = draw_predictions(images, temperature=temperature)

    def deviance(value: float) -> float:
        return -2 * log_softmax(logits / value, axis=1)[np.arange(images), truth].sum()

    best = minimize_scalar(deviance, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    excess = lambda value: deviance(value) - best.fun - chi2.ppf(0.95, 1)  # noqa: E731
    interval = temperature_interval(logits, truth)
    assert interval.value == pytest.approx(best.x, rel=1e-4)
    assert interval.low == pytest.approx(brentq(excess, 0.05, best.x), rel=1e-4)
    assert interval.high == pytest.approx(brentq(excess, best.x, 20), rel=1e-4)


@pytest.mark.parametrize("images", [100, 400])
def test_temperature_interval_covers_the_temperature_95_times_in_100(images):
    covered = 0
    for seed in range(200):
        interval = temperature_interval(*draw_predictions(images, temperature=0.7, seed=seed))
        covered += interval.low <= 0.7 <= interval.high
    assert 0.9 <= covered / 200 <= 0.99


def test_with_fitted_temperature_records_the_temperature_and_its_interval():
    warnings = []
    info = with_fitted_temperature(tiny_info(), *draw_predictions(300, temperature=2), on_warning=warnings.append)
    assert warnings == []
    low, high = info.temperature_fit["interval"]
    assert info.temperature_fit["images"] == 300
    assert low < info.temperature < high
    assert low < 2 < high
    assert info.temperature == float(f"{info.temperature:.3g}")
    assert dataclasses.replace(info, temperature=None, temperature_fit=None) == tiny_info()


@pytest.mark.parametrize("sign", [1, -1], ids=["all correct", "all wrong"])
def test_with_fitted_temperature_fits_none_if_the_images_do_not_determine_it(sign):
    logits = np.abs(draw_predictions(150, temperature=1)[0])
    warnings, truth = [], (sign * logits).argmax(axis=1)
    info = with_fitted_temperature(tiny_info(), logits, truth, on_warning=warnings.append)
    assert info == tiny_info()
    assert len(warnings) == 1
    correct = 150 if sign == 1 else 0
    assert f"150 images, of which {correct} are predicted correctly, do not determine it" in warnings[0]


def test_with_fitted_temperature_fits_none_to_fewer_than_100_images():
    warnings = []
    logits, truth = draw_predictions(99, temperature=2)
    parent = tiny_info(temperature=0.5)
    assert with_fitted_temperature(parent, logits, truth, on_warning=warnings.append) == parent
    assert warnings == ["no temperature was fitted: only 99 images can be read, and it takes 100"]


@pytest.mark.parametrize(
    ("images", "fitted"), [(200, 100), (499, 100), (505, 101), (1000, 200), (5000, 1000), (50_000, 1000)]
)
def test_images_for_temperature_draws_a_fifth(images, fitted):
    everything = ImageSet(LABELS, [b""] * images, tuple(map(str, range(images))), (0,) * images)
    fit = images_for_temperature(everything)
    assert len(fit) == fitted == are_among(everything, fit).sum()
    assert set(fit.names) < set(everything.names)
    assert images_for_temperature(everything) == fit


def test_images_for_temperature_draws_none_from_fewer_than_200_images():
    assert images_for_temperature(random_images(199)) is None


def test_are_among_compares_files_and_not_names_alone(tmp_path):
    paths = [tmp_path / folder / "1.png" for folder in ("x", "y", "z")]
    images = ImageSet(("a",), paths, ("1.png",) * 3, (0,) * 3)
    assert are_among(images, images.subset([0, 2])).tolist() == [True, False, True]
    assert are_among(images.subset([]), images).tolist() == []


def test_require_fit_images_accepts_none_and_images_that_are_in_no_other_set():
    images = random_images(250)
    require_fit_images(None, calibration=images)
    require_fit_images(images.subset(range(100)), calibration=images.subset(range(100, 250)))
    require_fit_images(images.subset(range(100)), calibration=None)


def test_require_fit_images_refuses_few_unlabeled_and_shared_images():
    images = random_images(250)
    with pytest.raises(DataError, match=r"`temperature_images` must be at least 100 images \(got 99\)"):
        require_fit_images(images.subset(range(99)))
    with pytest.raises(DataError, match="`temperature_images` must be labeled images"):
        require_fit_images(dataclasses.replace(images, classes=()))
    with pytest.raises(DataError, match=r"both `temperature_images` and `calibration` \(got 1, such as 'p99'\)"):
        require_fit_images(images.subset(range(100)), calibration=images.subset(range(99, 250)))


def test_require_disjoint_compares_files_and_not_names_alone(tmp_path):
    first, second = (ImageSet(("a",), [tmp_path / folder / "1.png"], ("1.png",), (0,)) for folder in ("x", "y"))
    require_disjoint(calibration=first, held_out=second, others=None)
    with pytest.raises(DataError, match=r"both `calibration` and `others` \(got 1, such as '1\.png'\)"):
        require_disjoint(calibration=first, held_out=second, others=first)
