"""The predictor: what is predicted for an image, by which views, and which arguments are refused."""

import asyncio
import io

import numpy as np
import pytest
from made_images import encoded, noise
from made_models import LABELS, tiny_info, tiny_logits, write_tiny
from PIL import Image

from edgekit import (
    AdaptivePlan,
    Classifier,
    CropPlan,
    Ensemble,
    ImageError,
    ImageLimits,
    Prediction,
    Size,
    SpecError,
    load_image,
)
from edgekit.image.size import size_of
from edgekit.preprocess.adaptive_crops import margins
from edgekit.preprocess.crops import PLANS, ViewRule
from edgekit.runtime import decoding

IMAGE = np.asarray(noise(37, 29))


@pytest.fixture
def classifier(tiny_artifact):
    return Classifier(tiny_artifact, threads=2)


def expected(image: np.ndarray, plan: str = "center") -> np.ndarray:
    """By numpy alone: the mean over the views of the softmax of the tiny network's logits."""
    spec = tiny_info().preprocess
    pil_image = Image.fromarray(image)
    logits = tiny_logits(spec.pixels(pil_image, PLANS[plan].views(Size(pil_image.height, pil_image.width), spec)))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shares / shares.sum(axis=1, keepdims=True)).mean(axis=0)


@pytest.mark.parametrize("plan", PLANS)
def test_predict_averages_the_probabilities_over_the_views(classifier, plan):
    prediction = classifier.predict(IMAGE, plan=plan)
    np.testing.assert_allclose(prediction.probabilities, expected(IMAGE, plan), atol=1e-6)
    order = np.argsort(-prediction.probabilities)
    assert [score.index for score in prediction.top] == order.tolist()
    assert prediction.label == LABELS[order[0]] == prediction.to_dict()["top"][0]["label"]
    assert prediction.probability == prediction.probabilities.max()


def test_predict_returns_as_many_classes_as_there_are(classifier):
    assert len(classifier.predict(IMAGE, top=2).top) == 2
    assert len(classifier.predict(IMAGE, top=100).top) == len(LABELS)
    assert len(classifier.predict(IMAGE, top=np.int64(1)).top) == 1


@pytest.mark.parametrize("plan", PLANS)
def test_exact_uses_the_reference_arithmetic(tiny_artifact, plan, monkeypatch):
    monkeypatch.setattr(decoding, "_CLOSE", 0.0)
    exact = Classifier(tiny_artifact, exact=True)
    spec, data = exact.info.preprocess, encoded(noise(300, 200), "JPEG")
    image = load_image(data)
    views = PLANS[plan].views(image.size, spec)
    mean = tiny_logits(spec.pixels(image, views)).mean(axis=0)
    np.testing.assert_allclose(exact.predict(data, plan=plan).logits, mean, atol=1e-5)
    fast = Classifier(tiny_artifact).predict(data, plan=plan)
    assert fast.views == len(set(views))
    assert not np.array_equal(fast.logits, exact.predict(data, plan=plan).logits)  # it is another computation


@pytest.mark.parametrize("as_file", [False, True])
def test_reduced_decoding_falls_back_to_the_full_image_if_the_top_two_are_close(tiny_artifact, as_file):
    data = encoded(noise(300, 200), "JPEG")
    fast, exact = Classifier(tiny_artifact), Classifier(tiny_artifact, exact=True)
    lead = margins(exact.predict(data).probabilities)
    assert 0 < lead < decoding._CLOSE
    prediction = fast.predict(io.BytesIO(data) if as_file else data)
    np.testing.assert_array_equal(prediction.logits, exact.predict(data).logits)
    members = [Classifier(tiny_artifact), Classifier(tiny_artifact)]
    np.testing.assert_array_equal(Ensemble(members).predict(data).logits, exact.predict(data).logits)


@pytest.mark.parametrize(
    "values",
    [
        {"interpolation": "nearest"},
        {"resampler": "torch"},
        {"resampler": "tensorflow", "interpolation": "bicubic"},
        {"fit": "squash", "resize": 12, "resampler": "tensorflow"},
    ],
    ids=str,
)
def test_images_are_decoded_in_full_if_every_pixel_counts(tmp_path, tiny_artifact, values):
    """Without antialiasing, a pixel of the result is one of the original, or a few: a reduced JPEG has others."""
    spec = tiny_info().preprocess.with_changes(values)
    model = write_tiny(tmp_path / "model.onnx", preprocess=spec)
    data = encoded(noise(300, 200), "JPEG")
    fast, exact = Classifier(model), Classifier(model, exact=True)
    center = [PLANS["center"]]
    assert fast.load(data, center).encoded is None
    np.testing.assert_array_equal(fast.predict(data).logits, exact.predict(data).logits)
    usual = Classifier(tiny_artifact)
    assert usual.load(data, center).encoded is not None
    assert Ensemble([usual, fast]).load(data, center * 2).encoded is None


def test_reduced_decoding_stands_if_the_image_is_too_large_in_full(tiny_artifact):
    data = encoded(noise(300, 200), "JPEG")
    limits = ImageLimits(max_pixels=200 * 150)
    with pytest.raises(ImageError, match="limit"):
        Classifier(tiny_artifact, limits=limits, exact=True).predict(data)
    prediction = Classifier(tiny_artifact, limits=limits).predict(data)
    assert margins(prediction.probabilities) < decoding._CLOSE


@pytest.mark.parametrize("plan", ["center", "ten"])
def test_average_logits_averages_the_logits(classifier, plan):
    """The softmax of the mean is the normalized geometric mean of the probabilities."""
    prediction = classifier.predict(IMAGE, plan=plan, average="logits")
    shares = np.exp(prediction.logits - prediction.logits.max())
    np.testing.assert_allclose(prediction.probabilities, shares / shares.sum(), atol=1e-12)
    usual = classifier.predict(IMAGE, plan=plan)
    np.testing.assert_array_equal(prediction.logits, usual.logits)
    assert np.allclose(usual.probabilities, prediction.probabilities) == (plan == "center")


def test_equal_views_run_once_and_count_as_often_as_they_occur(classifier, monkeypatch):
    runs = []
    run = classifier._model.run
    monkeypatch.setattr(classifier._model, "run", lambda output, batch: runs.append(batch) or run(output, batch))
    plan = CropPlan("own", (ViewRule(), ViewRule(), ViewRule(fit="cover")))
    prediction = classifier.predict(IMAGE, plan=plan)
    assert (prediction.views, len(runs)) == (2, 2)
    center, wide = (classifier.predict(IMAGE, plan=CropPlan("one", (rule,))).logits for rule in plan.rules[1:])
    np.testing.assert_allclose(prediction.logits, (2 * center + wide) / 3, atol=1e-6)


def test_unknown_below_makes_an_unsure_label_unknown_and_keeps_the_classes(classifier):
    sure = classifier.predict(IMAGE)
    assert not sure.is_unknown
    unsure = classifier.predict(IMAGE, unknown_below=sure.probability + 1e-9)
    assert (unsure.label, unsure.is_unknown, unsure.top) == ("unknown", True, sure.top)
    assert unsure.to_dict() == sure.to_dict() | {"unknown": True}
    assert classifier.predict(IMAGE, unknown_below=sure.probability).label == sure.label
    assert classifier.predict(IMAGE, unknown_below=np.float32(1)).label == "unknown"


def test_channels_bgr_accepts_arrays_of_opencv(classifier):
    bgr = np.ascontiguousarray(IMAGE[..., ::-1])
    assert classifier.predict(bgr, channels="BGR") == classifier.predict(IMAGE)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *(({"top": top}, "`top` must be an integer from 1") for top in (0, -1, 1.5, "3", None, True)),
        *(
            ({"unknown_below": below}, "`unknown_below` must be a probability from 0 to 1")
            for below in (-0.1, 1.5, float("nan"), "0.5", None)
        ),
        ({"average": "sum"}, "unknown `average` 'sum'; known: logits, probabilities"),
        ({"average": ["logits"]}, "unknown `average`"),
        ({"channels": "GBR"}, "unknown `channels` 'GBR'"),
        ({"budget": 1.5}, "`budget` needs the plan 'adaptive'"),
        ({"plan": "adaptive"}, "has no adaptive crops"),
        ({"plan": "all"}, "unknown crop plan 'all'"),
        ({"plan": None}, r"`plan` must be a crop plan or its name \(got None\)"),
        ({"plan": np.ones(3)}, "`plan` must be"),
    ],
    ids=str,
)
def test_predict_rejects_invalid_arguments(classifier, wrong, message):
    with pytest.raises(SpecError, match=message):
        classifier.predict(IMAGE, **wrong)
    with pytest.raises(SpecError, match=message):
        classifier.predict_many([IMAGE], **wrong)
    with pytest.raises(SpecError, match=message):
        asyncio.run(classifier.predict_async(IMAGE, **wrong))


def test_predict_async_lets_the_event_loop_run_on(classifier):
    async def predictions() -> list[Prediction]:
        return await asyncio.gather(*(classifier.predict_async(IMAGE) for _ in range(4)))

    assert asyncio.run(predictions()) == [classifier.predict(IMAGE)] * 4


# -- adaptive crops ---------------------------------------------------------------------------------------------------

STEPS = AdaptivePlan(
    view_names=("center", "near", "wide-mirrored"), temperature=2.0, curve=((1.0, 0.0), (3.0, 1.0)), budget=1.0
)


def test_adaptive_runs_views_until_it_is_sure(tmp_path):
    with Classifier(write_tiny(tmp_path / "adaptive.onnx", adaptive_crops=STEPS), exact=True) as classifier:
        spec, image = classifier.info.preprocess, Image.fromarray(IMAGE)
        logits = tiny_logits(spec.pixels(image, STEPS.views(size_of(image), spec)))
        shares = [np.exp(logits[:count].mean(axis=0) / 2) for count in (1, 2, 3)]
        means = [share / share.sum() for share in shares]
        leads = [float(margins(mean)) for mean in means]
        assert classifier.predict(IMAGE, plan="adaptive").views == 1
        for wanted in (leads[0] - 1e-4, leads[0] + 1e-4, 0.9999):
            views = next((n + 1 for n, lead in enumerate(leads) if lead >= wanted), 3)
            prediction = classifier.predict(IMAGE, plan="adaptive", budget=1 + 2 * wanted)
            assert prediction.views == views
            np.testing.assert_allclose(prediction.probabilities, means[views - 1], atol=1e-5)
            own = classifier.predict(IMAGE, plan=STEPS.with_budget(1 + 2 * wanted))
            np.testing.assert_array_equal(own.probabilities, prediction.probabilities)
