"""The predictor: right answers, from threads, forks, spawned processes and pickles; refusals."""

import asyncio
import copy
import io
import pickle
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from made_images import encoded, noise
from made_models import CROP, LABELS, MEAN, STD, featured_model, strange_models, tiny_info, tiny_logits, write_tiny
from PIL import Image

from edgekit import Classifier, Ensemble, ModelLimits
from edgekit.errors import ArtifactError, EdgekitError, ImageError, SpecError
from edgekit.image.decode_limits import ImageLimits
from edgekit.image.load import load_image
from edgekit.image.size import Size, size_of
from edgekit.preprocess.adaptive_crops import AdaptivePlan, margins
from edgekit.preprocess.crops import PLANS, CropPlan, ViewRule
from edgekit.runtime import decoding

IMAGE = np.asarray(noise(37, 29))
BATCH = np.random.default_rng(1).integers(0, 256, (5, *CROP, 3), dtype=np.uint8)
WAIT_S = 60  # for what must not hang; generous, because machines are shared


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


def test_logits_are_what_numpy_computes_in_batches_and_singly(classifier):
    np.testing.assert_allclose(classifier.logits(BATCH), tiny_logits(BATCH), atol=1e-5)
    singles = np.concatenate([classifier.logits(image[None]) for image in BATCH])
    np.testing.assert_allclose(classifier.logits(BATCH), singles, atol=1e-6)
    assert classifier.logits(BATCH[:0]).shape == (0, len(LABELS))
    np.testing.assert_array_equal(classifier.logits(BATCH[::-1]), classifier.logits(BATCH[::-1].copy()))


@pytest.mark.parametrize("plan", PLANS)
def test_probabilities_are_the_mean_over_the_views(classifier, plan):
    prediction = classifier.predict(IMAGE, plan=plan)
    np.testing.assert_allclose(prediction.probabilities, expected(IMAGE, plan), atol=1e-6)
    order = np.argsort(-prediction.probabilities)
    assert [score.index for score in prediction.top] == order.tolist()
    assert prediction.label == LABELS[order[0]] == prediction.to_dict()["top"][0]["label"]
    assert prediction.probability == prediction.probabilities.max()


def test_top_is_bounded_by_what_there_is(classifier):
    assert len(classifier.predict(IMAGE, top=2).top) == 2
    assert len(classifier.predict(IMAGE, top=100).top) == len(LABELS)
    assert len(classifier.predict(IMAGE, top=np.int64(1)).top) == 1
    for wrong in (0, -1, 1.5, "3", None):
        with pytest.raises(SpecError, match="top must be a whole number from 1"):
            classifier.predict(IMAGE, top=wrong)
    with pytest.raises(SpecError, match="crop plan"):
        classifier.predict(IMAGE, plan="all")


def test_what_is_no_probability_is_refused(classifier):
    assert classifier.predict(IMAGE, unknown_below=np.float32(1)).label == "unknown"
    for wrong in (-0.1, 1.1, float("nan"), "0.5", None):
        with pytest.raises(SpecError, match="unknown_below must be a probability"):
            classifier.predict(IMAGE, unknown_below=wrong)


def test_many_images_keep_their_order_and_failures_their_place(classifier, tmp_path):
    images = [IMAGE, b"broken", IMAGE[::-1], str(tmp_path / "absent.jpg"), encoded(noise(20, 20), "PNG")]
    answers = list(classifier.predict_many(images))
    assert [isinstance(answer, ImageError) for answer in answers] == [False, True, False, True, False]
    for image, answer in zip(images, answers, strict=True):
        if not isinstance(answer, ImageError):
            np.testing.assert_array_equal(answer.probabilities, classifier.predict(image).probabilities)
    with pytest.raises(SpecError, match="list"):
        list(classifier.predict_many("image.jpg"))


@pytest.mark.parametrize(
    "batch",
    [BATCH.astype(np.float32), BATCH[0], BATCH[:, :-1], BATCH[..., :1], BATCH.tolist(), None, np.uint8(3)],
    ids=["float", "one", "height", "gray", "list", "none", "scalar"],
)
def test_pixels_of_another_type_or_shape_are_refused(classifier, batch):
    with pytest.raises(SpecError, match="uint8"):
        classifier.logits(batch)


@pytest.mark.parametrize("plan", PLANS)
def test_exact_is_the_reference_arithmetic(tiny_artifact, plan, monkeypatch):
    monkeypatch.setattr(decoding, "_CLOSE", 0.0)
    exact = Classifier(tiny_artifact, exact=True)
    spec, data = exact.info.preprocess, encoded(noise(300, 200), "JPEG")
    image = load_image(data)
    views = PLANS[plan].views(image.size, spec)
    mean = tiny_logits(spec.pixels(image, views)).mean(axis=0)
    np.testing.assert_allclose(exact.predict(data, plan=plan).logits, mean, atol=1e-5)
    fast = Classifier(tiny_artifact).predict(data, plan=plan)
    assert fast.views == len(set(views))
    assert not np.array_equal(fast.logits, exact.predict(data, plan=plan).logits)  # it does take another way


@pytest.mark.parametrize("as_file", [False, True])
def test_a_label_that_reduced_decoding_leaves_in_doubt_is_the_whole_images(tiny_artifact, as_file):
    data = encoded(noise(300, 200), "JPEG")
    fast, exact = Classifier(tiny_artifact), Classifier(tiny_artifact, exact=True)
    lead = margins(exact.predict(data).probabilities)
    assert 0 < lead < decoding._CLOSE
    answer = fast.predict(io.BytesIO(data) if as_file else data)
    np.testing.assert_array_equal(answer.logits, exact.predict(data).logits)
    members = [Classifier(tiny_artifact), Classifier(tiny_artifact)]
    np.testing.assert_array_equal(Ensemble(members).predict(data).logits, exact.predict(data).logits)


def test_a_label_in_doubt_of_a_image_too_large_in_full_stays(tiny_artifact):
    data = encoded(noise(300, 200), "JPEG")
    limits = ImageLimits(max_pixels=200 * 150)
    with pytest.raises(ImageError, match="limit"):
        Classifier(tiny_artifact, limits=limits, exact=True).predict(data)
    answer = Classifier(tiny_artifact, limits=limits).predict(data)
    assert margins(answer.probabilities) < decoding._CLOSE


@pytest.mark.parametrize("plan", ["center", "ten"])
def test_logits_are_averaged_where_asked(classifier, plan):
    """The softmax of the mean is the normalized geometric mean of the probabilities."""
    prediction = classifier.predict(IMAGE, plan=plan, average="logits")
    shares = np.exp(prediction.logits - prediction.logits.max())
    np.testing.assert_allclose(prediction.probabilities, shares / shares.sum(), atol=1e-12)
    usual = classifier.predict(IMAGE, plan=plan)
    np.testing.assert_array_equal(prediction.logits, usual.logits)
    assert np.allclose(usual.probabilities, prediction.probabilities) == (plan == "center")


def test_equal_views_run_once_and_count_as_often_as_they_stand(classifier, monkeypatch):
    runs = []
    run = classifier._model.run
    monkeypatch.setattr(classifier._model, "run", lambda output, batch: runs.append(batch) or run(output, batch))
    plan = CropPlan("own", (ViewRule(), ViewRule(), ViewRule(fit="cover")))
    prediction = classifier.predict(IMAGE, plan=plan)
    assert (prediction.views, len(runs)) == (2, 2)
    center, wide = (classifier.predict(IMAGE, plan=CropPlan("one", (look,))).logits for look in plan.rules[1:])
    np.testing.assert_allclose(prediction.logits, (2 * center + wide) / 3, atol=1e-6)


def test_nothing_sure_is_unknown_and_says_what_it_would_have_been(classifier):
    sure = classifier.predict(IMAGE)
    assert not sure.is_unknown
    unsure = classifier.predict(IMAGE, unknown_below=sure.probability + 1e-9)
    assert (unsure.label, unsure.is_unknown, unsure.top) == ("unknown", True, sure.top)
    assert unsure.to_dict() == sure.to_dict() | {"unknown": True}
    assert classifier.predict(IMAGE, unknown_below=sure.probability).label == sure.label


def test_bgr_arrays_are_taken_where_said(classifier):
    bgr = np.ascontiguousarray(IMAGE[..., ::-1])
    answers = [classifier.predict(IMAGE), classifier.predict(bgr, channels="BGR")]
    np.testing.assert_array_equal(*(answer.probabilities for answer in answers))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"average": "votes"}, "unknown average 'votes'"),
        ({"channels": "GBR"}, "unknown channels 'GBR'"),
        ({"unknown_below": 1.5}, "unknown_below"),
        ({"unknown_below": float("nan")}, "unknown_below"),
        ({"budget": 1.5}, "goes with the plan adaptive"),
        ({"plan": "adaptive"}, "holds no adaptive crops"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said(classifier, wrong, said):
    with pytest.raises(SpecError, match=said):
        classifier.predict(IMAGE, **wrong)
    with pytest.raises(SpecError, match=said):
        next(classifier.predict_many([IMAGE], **wrong))


def test_features_are_what_the_last_layer_sees(tmp_path):
    path = write_tiny(tmp_path / "featured.onnx", featured_model())
    with Classifier(path, exact=True) as classifier:
        features = classifier.embed(IMAGE)
        spec = classifier.info.preprocess
        expected = (spec.pixels(Image.fromarray(IMAGE)).reshape(-1) / 255 - MEAN) / STD
        np.testing.assert_allclose(features, expected, atol=1e-5)
        assert features.dtype == np.float32
        ten = classifier.embed(IMAGE, plan="ten")
        assert ten.shape == features.shape
        assert not np.array_equal(ten, features)
        np.testing.assert_array_equal(classifier.predict(IMAGE).probabilities.shape, (len(LABELS),))


def test_a_file_without_features_says_so(classifier, tiny_artifact):
    with pytest.raises(ArtifactError, match=r"tiny\.onnx: has no output 'features'"):
        classifier.embed(IMAGE)


def test_the_event_loop_goes_on_while_images_are_answered(classifier):
    async def answers() -> list[float]:
        return [p.probability for p in await asyncio.gather(*(classifier.predict_async(IMAGE) for _ in range(4)))]

    assert asyncio.run(answers()) == [classifier.predict(IMAGE).probability] * 4


def test_shuffled_images_get_shuffled_answers(classifier):
    images = [np.asarray(noise(20 + n, 31)) for n in range(12)]
    order = np.random.default_rng(3).permutation(len(images))
    straight = [answer.probabilities for answer in classifier.predict_many(images, plan="five")]
    shuffled = [answer.probabilities for answer in classifier.predict_many([images[n] for n in order], plan="five")]
    np.testing.assert_array_equal(np.array(shuffled), np.array(straight)[order])


# -- adaptive crops ---------------------------------------------------------------------------------------------------

STEPS = AdaptivePlan(
    view_names=("center", "near", "wide-mirrored"), temperature=2.0, curve=((1.0, 0.0), (3.0, 1.0)), budget=1.0
)


def test_adaptive_takes_looks_until_it_is_sure(tmp_path):
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


# -- providers --------------------------------------------------------------------------------------------------------


def test_the_provider_is_an_argument_and_an_absent_one_an_error(tiny_artifact):
    assert Classifier(tiny_artifact, provider="cpu").predict(IMAGE).label in LABELS
    with pytest.raises(SpecError, match=r"no execution provider 'NoSuch' here; it has .*CPUExecutionProvider"):
        Classifier(tiny_artifact, provider="NoSuch")


def test_a_provider_that_onnxruntime_drops_is_an_error(tiny_artifact, monkeypatch):
    """What a CUDA build does on a machine without its libraries: it warns and takes the CPU."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.warns(UserWarning, match="CUDA"), pytest.raises(SpecError, match="CUDAExecutionProvider did not start"):
        Classifier(tiny_artifact, provider="cuda")


def test_image_limits_are_an_argument(tiny_artifact):
    with pytest.raises(ImageError, match="limit of 100 pixels"):
        Classifier(tiny_artifact, limits=ImageLimits(max_pixels=100)).predict(IMAGE)


# -- processes and threads --------------------------------------------------------------------------------------------


def test_threads_share_one_classifier_and_answer_as_one_does(classifier):
    images = [np.asarray(noise(20 + n, 31)) for n in range(16)]
    serial = [classifier.predict(image).probabilities for image in images]
    wrong: list[int] = []

    def work(offset: int) -> None:
        for step in range(12):
            n = (offset + step) % len(images)
            if not np.array_equal(classifier.predict(images[n]).probabilities, serial[n]):
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_pickles_and_copies_answer_alike_with_their_arguments(tiny_artifact):
    original = Classifier(
        tiny_artifact,
        threads=1,
        limits=ImageLimits(max_pixels=5000),
        model_limits=ModelLimits(max_nodes=9),
        exact=True,
        provider="cpu",
    )
    for twin in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert twin.info == original.info
        np.testing.assert_array_equal(twin.logits(BATCH), original.logits(BATCH))
        assert twin.__getstate__() == original.__getstate__()
        with pytest.raises(ImageError, match="5000"):
            twin.predict(np.zeros((80, 80), np.uint8))


def test_a_relative_path_survives_a_change_of_folder(tiny_artifact, monkeypatch, tmp_path):
    monkeypatch.chdir(tiny_artifact.parent)
    data = pickle.dumps(Classifier(tiny_artifact.name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).info.labels == LABELS


FORK = """
import os, sys
import numpy as np
from edgekit import Classifier
classifier = Classifier(sys.argv[1], threads=2)
batch = np.full((3, 8, 10, 3), 9, np.uint8)
before = classifier.logits(batch)
child = os.fork()
if child == 0:
    if sys.argv[2] != "unused":
        assert np.array_equal(classifier.logits(batch), before)
    if sys.argv[2] == "closed":
        classifier.close()
    sys.exit(7)  # through the interpreter's end, which destroys every session that it knows
_, status = os.waitpid(child, 0)
assert np.array_equal(classifier.logits(batch), before)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize("use", ["used", "unused", "closed"])
def test_a_forked_child_predicts_and_ends(tiny_artifact, use):
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(tiny_artifact), use]
    done = subprocess.run(command, timeout=WAIT_S, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")


def test_a_forked_child_does_not_answer_with_a_file_that_has_changed(tmp_path):
    program = FORK.replace(
        "child = os.fork()", "other = sys.argv[3]; os.replace(other, sys.argv[1]); child = os.fork()"
    )
    path = write_tiny(tmp_path / "a.onnx")
    other = write_tiny(tmp_path / "b.onnx", labels=("other", "names", "are", "here"))
    command = [sys.executable, "-W", "ignore", "-c", program, str(path), "used", str(other)]
    done = subprocess.run(command, timeout=WAIT_S, capture_output=True, text=True, check=False)
    assert "has changed since it was opened" in done.stderr


def test_a_spawned_process_takes_a_classifier(classifier):
    program = (
        "import pickle, sys; classifier, batch = pickle.load(sys.stdin.buffer); "
        "sys.stdout.buffer.write(pickle.dumps(classifier.logits(batch)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((classifier, BATCH)),
        capture_output=True,
        timeout=WAIT_S,
        check=True,
    )
    np.testing.assert_array_equal(pickle.loads(done.stdout), classifier.logits(BATCH))


def test_close_ends_it_and_gives_the_session_back(tiny_artifact):
    with Classifier(tiny_artifact) as classifier:
        classifier.warmup()
        session = weakref.ref(classifier._model._session)
    assert session() is None
    for call in (classifier.warmup, lambda: classifier.predict(IMAGE), lambda: classifier.logits(BATCH)):
        with pytest.raises(EdgekitError, match="closed"):
            call()
    classifier.close()


# -- refusals ---------------------------------------------------------------------------------------------------------

STRANGE = {name: (model, changes) for name, model, changes in strange_models()}


@pytest.mark.parametrize("name", STRANGE)
def test_a_model_that_is_not_what_it_says_is_refused(tmp_path, name, capfd):
    model, changes = STRANGE[name]
    path = write_tiny(tmp_path / "strange.onnx", model, **changes)
    with pytest.raises(ArtifactError, match=r"strange\.onnx: ") as caught:
        Classifier(path).warmup()
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_the_guard_stands_before_the_session(tmp_path):
    """Each would load, or do harm in loading; none gets so far."""
    from made_models import refused_models

    for name, model, reason in refused_models():
        path = write_tiny(tmp_path / f"{name}.onnx", model)
        with pytest.raises(ArtifactError, match=rf"{name}\.onnx: refused: .*{reason}"):
            Classifier(path)


def test_unknown_names_and_absent_files_are_said(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for wrong in (
        "mobilenet_v2-cifar",
        "absent.onnx",
        "no/such/model",
        "/dev/zero",
        "x" * 5000,
        "a\0b.onnx",
        str(tmp_path),
    ):
        with pytest.raises(ArtifactError) as caught:
            Classifier(wrong)
        assert str(caught.value).isprintable()


def test_a_folder_with_a_models_name_does_not_hide_the_model(tmp_path, monkeypatch, tiny_artifact):
    from edgekit.hub import shipped

    monkeypatch.setattr(shipped, "shipped_models", lambda: {"tiny": tiny_artifact})
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    assert shipped.model_path("tiny") == tiny_artifact


def test_its_repr_names_the_file_and_the_network(classifier, tiny_artifact):
    assert repr(classifier) == f"Classifier({str(tiny_artifact)!r}, tiny, 4 labels)"
