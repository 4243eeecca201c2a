"""What a model's temperature changes in its predictions, and what it leaves alone."""

import dataclasses

import numpy as np
import pytest
from made_images import encoded, noise
from made_models import LABELS, write_tiny

from edgekit import AdaptivePlan, Classifier, Ensemble
from edgekit.preprocess.adaptive_crops import margins
from edgekit.preprocess.crops import PLANS
from edgekit.preprocess.scores import averaged, softmax
from edgekit.runtime import decoding

IMAGE = np.asarray(noise(37, 29))
PLAN = AdaptivePlan(
    view_names=("center", "wide", "start"), temperature=1.5, curve=((1.0, 0.0), (2.0, 0.1), (3.0, 1.0)), budget=2.0
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Classifier:
    return Classifier(write_tiny(tmp_path_factory.mktemp("plain") / "plain.onnx", adaptive_crops=PLAN))


def at(folder, temperature: float, **changes: object) -> Classifier:
    path = write_tiny(folder / f"{temperature}.onnx", temperature=temperature, adaptive_crops=PLAN, **changes)
    return Classifier(path)


@pytest.mark.parametrize("average", ["probabilities", "logits"])
@pytest.mark.parametrize("plan", PLANS)
def test_predict_without_a_temperature_is_the_softmax_bit_for_bit(plain, plan, average):
    prediction = plain.predict(IMAGE, plan=plan, average=average)
    image = plain.load(IMAGE, [PLANS[plan]])
    views = PLANS[plan].views(image.size, plain.info.preprocess)
    logits = np.concatenate([plain.logits(crop[None]) for crop in plain.info.preprocess.pixels(image, views)])
    np.testing.assert_array_equal(prediction.probabilities, averaged(logits, average))
    assert prediction.uncalibrated is prediction.probabilities


@pytest.mark.parametrize("temperature", [0.05, 0.5, 3, 20])
@pytest.mark.parametrize("plan", [*PLANS, "adaptive"])
def test_a_temperature_changes_probabilities_but_neither_logits_nor_labels_nor_views(
    plain, tmp_path, plan, temperature
):
    before, after = (model.predict(IMAGE, plan=plan) for model in (plain, at(tmp_path, temperature)))
    np.testing.assert_array_equal(after.logits, before.logits)
    np.testing.assert_array_equal(after.uncalibrated, before.probabilities)
    assert [score.index for score in after.top] == [score.index for score in before.top]
    assert after.views == before.views
    assert abs(after.probability - before.probability) > 0.01


@pytest.mark.parametrize("plan", ["center", "adaptive"])
def test_predict_divides_the_logits_by_the_temperature(tmp_path, plan):
    """An adaptive plan has a temperature too, which that of the model replaces."""
    prediction = at(tmp_path, 0.7).predict(IMAGE, plan=plan)
    np.testing.assert_allclose(prediction.probabilities, softmax(prediction.logits / 0.7), rtol=1e-6)
    own = 1.5 if plan == "adaptive" else 1.0
    np.testing.assert_allclose(prediction.uncalibrated, softmax(prediction.logits / own), rtol=1e-6)


def test_unknown_below_is_compared_with_calibrated_probabilities(plain, tmp_path):
    flat = at(tmp_path, 20)
    before, after = (model.predict(IMAGE, unknown_below=0.35) for model in (plain, flat))
    assert (before.label, after.label) == (before.top[0].label, "unknown")
    assert after.top[0].label == before.label


@pytest.mark.parametrize("temperature", [0.01, 100])
def test_what_counts_as_close_ignores_the_temperature(plain, tmp_path, monkeypatch, temperature):
    image, leads = encoded(noise(90, 70), "JPEG"), []
    monkeypatch.setattr(
        "edgekit.runtime.predictor.are_close", lambda p, s: leads.append(margins(p)) or decoding.are_close(p, s)
    )
    for model in (plain, at(tmp_path, temperature)):
        model.predict(image)
    assert len(leads) == 2
    assert leads[0] == leads[1]


def test_ensemble_averages_calibrated_probabilities(plain, tmp_path):
    members = [plain, at(tmp_path, 0.5, labels=LABELS[::-1])]
    prediction, alone = Ensemble(members).predict(IMAGE), [member.predict(IMAGE) for member in members]
    np.testing.assert_allclose(prediction.probabilities, (alone[0].probabilities + alone[1].probabilities[::-1]) / 2)
    np.testing.assert_allclose(prediction.uncalibrated, (alone[0].uncalibrated + alone[1].uncalibrated[::-1]) / 2)
    np.testing.assert_array_equal(prediction.logits, (alone[0].logits + alone[1].logits[::-1]) / 2)


def test_ensemble_averages_logits_divided_by_the_temperatures(plain, tmp_path):
    members = [plain, at(tmp_path, 0.5)]
    prediction, alone = Ensemble(members).predict(IMAGE, average="logits"), plain.predict(IMAGE)
    np.testing.assert_allclose(prediction.probabilities, softmax(alone.logits * (1 + 2) / 2), rtol=1e-6)
    np.testing.assert_allclose(prediction.uncalibrated, softmax(alone.logits), rtol=1e-6)
    np.testing.assert_allclose(prediction.logits, alone.logits)


def test_ensemble_without_temperatures_averages_bit_for_bit_as_before(plain):
    members = [plain, plain]
    for average in ("probabilities", "logits"):
        prediction, alone = Ensemble(members).predict(IMAGE, average=average), plain.predict(IMAGE, average=average)
        np.testing.assert_array_equal(prediction.probabilities, alone.probabilities)
        np.testing.assert_array_equal(prediction.uncalibrated, alone.probabilities)


def test_a_temperature_survives_another_session(tmp_path):
    model = at(tmp_path, 0.7)
    (first,) = model.predict_many([IMAGE], workers=2)
    assert first == model.predict(IMAGE)
    assert first != dataclasses.replace(first, uncalibrated=first.probabilities)
