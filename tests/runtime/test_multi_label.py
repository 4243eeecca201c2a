"""Multi-label models, from image to labels: one image, many, several models."""

import asyncio
import pickle

import numpy as np
import pytest
from made_models import LABELS, tiny_info, tiny_logits, tiny_model, write_tiny
from PIL import Image
from scipy.special import expit

from edgekit import Classifier, Ensemble, Size, plan_named
from edgekit.artifact.info import with_info
from edgekit.errors import SpecError
from edgekit.preprocess.adaptive_crops import AdaptivePlan
from edgekit.runtime.decoding import are_close

THRESHOLDS = (0.5, 0.3, 0.7, 0.5)
ADAPTIVE = AdaptivePlan(view_names=("center", "wide"), temperature=1.5, curve=((1.0, 0.0), (2.0, 1.0)), budget=1.25)


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (12, 14, 3), np.uint8)


def opened(**changes: object) -> Classifier:
    info = tiny_info(**{"task": "multi-label", "thresholds": THRESHOLDS} | changes)
    return Classifier(with_info(tiny_model().SerializeToString(), info), exact=True)


def expected(classifier: Classifier, pixels: np.ndarray) -> np.ndarray:
    return expit(tiny_logits(classifier.info.preprocess.pixels(Image.fromarray(pixels))))[0]


@pytest.mark.parametrize("seed", range(4))
def test_predict_assigns_every_class_above_its_threshold_most_probable_first(seed):
    classifier = opened()
    prediction = classifier.predict(image(seed), top=2)
    probabilities = expected(classifier, image(seed))
    np.testing.assert_allclose(prediction.probabilities, probabilities, rtol=1e-5)
    above = [index for index in np.argsort(-probabilities) if probabilities[index] > THRESHOLDS[index]]
    assert [score.index for score in prediction.labels] == above
    assert [score.index for score in prediction.top] == np.argsort(-probabilities)[:2].tolist()
    assert prediction.label == (LABELS[above[0]] if above else "none")
    assert pickle.loads(pickle.dumps(prediction)) == prediction


def test_a_prediction_without_labels_is_none_and_still_ranks_the_classes():
    prediction = opened(thresholds=(0.9999,) * 4).predict(image())
    assert (prediction.labels, prediction.label, prediction.is_unknown) == ((), "none", False)
    assert prediction.to_dict()["labels"] == []
    assert len(prediction.top) == 4
    assert repr(prediction).startswith("Prediction(none: '")
    assert "none: no class is above its threshold" in prediction._repr_html_()


def test_a_prediction_shows_its_labels():
    prediction = opened(thresholds=(0.0001, 0.9999, 0.0001, 0.9999)).predict(image(), top=1)
    assert [entry["label"] for entry in prediction.to_dict()["labels"]] == [s.label for s in prediction.labels]
    assert {score.label for score in prediction.labels} == {"red", "blue"}
    assert all(score.label in repr(prediction) for score in prediction.labels)
    assert prediction._repr_html_().count("%</div>") == 2


def test_views_average_probabilities_or_logits():
    classifier, pixels, plan = opened(), image(1), plan_named("ten")
    views = plan.views(Size(12, 14), classifier.info.preprocess)
    logits = np.concatenate(
        [classifier.logits(classifier.info.preprocess.pixels(Image.fromarray(pixels), [view])) for view in views]
    )
    averaged = classifier.predict(pixels, plan="ten").probabilities
    np.testing.assert_allclose(averaged, expit(logits.astype(np.float64)).mean(axis=0), rtol=1e-6)
    by_logits = classifier.predict(pixels, plan="ten", average="logits").probabilities
    np.testing.assert_allclose(by_logits, expit(logits.mean(axis=0, dtype=np.float64)), rtol=1e-6)


def test_many_images_and_async_give_the_same_predictions():
    classifier, pixels = opened(), [image(seed) for seed in range(5)]
    single = [classifier.predict(each) for each in pixels]
    assert list(classifier.predict_many(pixels, workers=2)) == single
    assert asyncio.run(classifier.predict_async(pixels[0])) == single[0]


def test_an_ensemble_averages_probabilities_and_thresholds():
    first, second = opened(), opened(thresholds=None)
    ensemble = Ensemble([first, second], weights=[3, 1])
    assert ensemble.scoring.thresholds == pytest.approx((0.5, 0.35, 0.65, 0.5))
    assert Ensemble([second, second]).scoring.thresholds is None
    np.testing.assert_allclose(ensemble.predict(image()).probabilities, first.predict(image()).probabilities)
    by_logits = ensemble.predict(image(), average="logits")
    np.testing.assert_allclose(by_logits.probabilities, first.predict(image()).probabilities)


def test_an_ensemble_of_both_tasks_is_refused(tmp_path):
    single = Classifier(write_tiny(tmp_path / "single.onnx"))
    with pytest.raises(SpecError, match=r"`members` must have the same task \(got multi-label and single-label\)"):
        Ensemble([opened(), single])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"plan": "adaptive"}, "has no adaptive crops; choose another `plan`"),
        ({"plan": ADAPTIVE}, "has no adaptive crops; choose another `plan`"),
        ({"unknown_below": 0.5}, "has thresholds of its own; leave out `unknown_below`"),
    ],
)
def test_what_compares_classes_is_refused(arguments, message):
    with pytest.raises(SpecError, match=message):
        opened().predict(image(), **arguments)
    with pytest.raises(SpecError, match=message):
        opened().predict_many([image()], **arguments)


def test_reduced_decoding_is_repeated_if_a_probability_is_close_to_its_threshold():
    scoring = opened().scoring
    assert are_close(np.array([0.9, 0.28, 0.1, 0.9]), scoring)
    assert not are_close(np.array([0.9, 0.1, 0.1, 0.9]), scoring)
