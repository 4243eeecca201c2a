"""Classifier: predictions, also from threads, forks, spawned processes and pickles; refusals."""

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
from made_images import noise
from made_models import (
    CROP,
    LABELS,
    MEAN,
    STD,
    featured_model,
    inconsistent_models,
    squaring_model,
    tiny_logits,
    write_tiny,
)
from PIL import Image

from edgekit import (
    ArtifactError,
    Classifier,
    EdgekitError,
    ImageError,
    ImageLimits,
    ModelLimits,
    SpecError,
)

IMAGE = np.asarray(noise(37, 29))
BATCH = np.random.default_rng(1).integers(0, 256, (5, *CROP, 3), dtype=np.uint8)
WAIT_S = 60  # for what must not hang; generous, because machines are shared


@pytest.fixture
def classifier(tiny_artifact):
    return Classifier(tiny_artifact, threads=2)


def test_logits_equal_numpys_in_batches_and_one_by_one(classifier):
    np.testing.assert_allclose(classifier.logits(BATCH), tiny_logits(BATCH), atol=1e-5)
    singles = np.concatenate([classifier.logits(image[None]) for image in BATCH])
    np.testing.assert_allclose(classifier.logits(BATCH), singles, atol=1e-6)
    assert classifier.logits(BATCH[:0]).shape == (0, len(LABELS))
    np.testing.assert_array_equal(classifier.logits(BATCH[::-1]), classifier.logits(BATCH[::-1].copy()))


@pytest.mark.parametrize(
    "batch",
    [BATCH.astype(np.float32), BATCH[0], BATCH[:, :-1], BATCH[..., :1], BATCH.tolist(), None, np.uint8(3)],
    ids=["float", "one", "height", "gray", "list", "none", "scalar"],
)
def test_logits_rejects_pixels_of_another_type_or_shape(classifier, batch):
    with pytest.raises(SpecError, match=r"`batch` must be uint8 \(N, 8, 10, 3\), got "):
        classifier.logits(batch)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        *(
            ({"model": model}, "`model` must be a path, the name of a model, or the bytes of a model file")
            for model in (3, ["a.onnx"], Image.new("RGB", (2, 2)), io.BytesIO())
        ),
        *(
            ({"threads": threads}, "`threads` must be an integer from 1 to 256")
            for threads in (0, -1, 2.5, "2", 10**6, True)
        ),
        *(({"limits": limits}, "`limits` must be ImageLimits") for limits in (None, 5, (1, 2), ImageLimits("9"))),
        *(({"model_limits": limits}, "`model_limits` must be ModelLimits") for limits in (0, ModelLimits(max_nodes=0))),
        ({"exact": "no"}, r"`exact` must be True or False \(got 'no'\)"),
        ({"trusted": 1}, "`trusted` must be True or False"),
        ({"provider": 3}, "no execution provider 3"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_classifier_rejects_invalid_arguments(tiny_artifact, wrong, message):
    with pytest.raises(SpecError, match=message) as caught:
        Classifier(**{"model": tiny_artifact} | wrong)
    assert len(str(caught.value)) < 400


def test_embed_returns_what_the_last_layer_sees(tmp_path):
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


def test_embed_rejects_a_file_without_features(classifier):
    with pytest.raises(ArtifactError, match=r"tiny\.onnx: has no output 'features'; its outputs are 'logits'"):
        classifier.embed(IMAGE)


# -- providers --------------------------------------------------------------------------------------------------------


def test_provider_is_used_and_an_absent_one_is_an_error(tiny_artifact):
    assert Classifier(tiny_artifact, provider="cpu").predict(IMAGE).label in LABELS
    with pytest.raises(SpecError, match=r"no execution provider 'NoSuch' in .*; available: .*CPUExecutionProvider"):
        Classifier(tiny_artifact, provider="NoSuch")


def test_provider_that_onnxruntime_drops_is_an_error(tiny_artifact, monkeypatch):
    """What a CUDA build does on a machine without its libraries: it warns and uses the CPU."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CUDAExecutionProvider"])
    with pytest.warns(UserWarning, match="CUDA"), pytest.raises(SpecError, match="CUDAExecutionProvider did not start"):
        Classifier(tiny_artifact, provider="cuda")


def test_limits_refuse_a_larger_image(tiny_artifact):
    with pytest.raises(ImageError, match="limit of 100 pixels"):
        Classifier(tiny_artifact, limits=ImageLimits(max_pixels=100)).predict(IMAGE)


# -- processes and threads --------------------------------------------------------------------------------------------


def test_classifier_shared_by_threads_predicts_as_in_one(classifier):
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


@pytest.mark.parametrize("as_bytes", [False, True])
def test_classifier_pickled_or_copied_predicts_alike_with_its_arguments(tiny_artifact, as_bytes):
    original = Classifier(
        tiny_artifact.read_bytes() if as_bytes else tiny_artifact,
        threads=1,
        limits=ImageLimits(max_pixels=5000),
        model_limits=ModelLimits(max_nodes=9),
        exact=True,
        provider="cpu",
    )
    for twin in (pickle.loads(pickle.dumps(original)), copy.deepcopy(original)):
        assert twin.info == original.info
        np.testing.assert_array_equal(twin.logits(BATCH), original.logits(BATCH))
        assert (twin.name, twin.path, twin.options) == (original.name, original.path, original.options)
        assert (twin.limits, twin.exact) == (original.limits, original.exact)
        with pytest.raises(ImageError, match="5000"):
            twin.predict(np.zeros((80, 80), np.uint8))


def test_classifier_with_a_relative_path_survives_a_change_of_folder(tiny_artifact, monkeypatch, tmp_path):
    monkeypatch.chdir(tiny_artifact.parent)
    data = pickle.dumps(Classifier(tiny_artifact.name))
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).info.labels == LABELS


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_classifier_accepts_model_bytes(tiny_artifact, classifier, kind):
    model = kind(tiny_artifact.read_bytes())
    with Classifier(model) as from_bytes:
        assert from_bytes.predict(IMAGE) == classifier.predict(IMAGE)
        assert (from_bytes.name, from_bytes.path) == ("model bytes", None)
        assert list(from_bytes.predict_many([IMAGE] * 3, workers=2)) == [classifier.predict(IMAGE)] * 3


@pytest.mark.parametrize("wrong", [b"", b"not a model", b"tiny.onnx", bytes(8)])
def test_classifier_names_broken_model_bytes(wrong):
    with pytest.raises(ArtifactError, match=r"^model bytes: "):
        Classifier(wrong)


def test_model_limits_hold_for_model_bytes(tiny_artifact):
    with pytest.raises(ArtifactError, match=r"^model bytes: \d+ bytes, more than the limit of 99 bytes"):
        Classifier(tiny_artifact.read_bytes(), model_limits=ModelLimits(max_bytes=99))


FORK = """
import os, sys
import numpy as np
from edgekit import Classifier
model = open(sys.argv[1], "rb").read() if "bytes" in sys.argv else sys.argv[1]
classifier = Classifier(model, threads=2)
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
@pytest.mark.parametrize("source", ["path", "bytes"])
def test_forked_child_predicts_and_ends(tiny_artifact, use, source):
    command = [sys.executable, "-W", "ignore", "-c", FORK, str(tiny_artifact), use, source]
    done = subprocess.run(command, timeout=WAIT_S, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")


def test_forked_child_does_not_predict_with_a_file_that_has_changed(tmp_path):
    program = FORK.replace(
        "child = os.fork()", "other = sys.argv[3]; os.replace(other, sys.argv[1]); child = os.fork()"
    )
    path = write_tiny(tmp_path / "a.onnx")
    other = write_tiny(tmp_path / "b.onnx", labels=("other", "names", "are", "here"))
    command = [sys.executable, "-W", "ignore", "-c", program, str(path), "used", str(other)]
    done = subprocess.run(command, timeout=WAIT_S, capture_output=True, text=True, check=False)
    assert "has changed since it was opened" in done.stderr


def test_spawned_process_accepts_a_classifier(classifier):
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


def test_close_releases_the_session(tiny_artifact):
    with Classifier(tiny_artifact) as classifier:
        classifier.warmup()
        session = weakref.ref(classifier._model._session)
    assert session() is None
    for call in (classifier.warmup, lambda: classifier.predict(IMAGE), lambda: classifier.logits(BATCH)):
        with pytest.raises(EdgekitError, match="closed"):
            call()
    classifier.close()


# -- refusals ---------------------------------------------------------------------------------------------------------

STRANGE = {name: (model, changes) for name, model, changes in inconsistent_models()}


@pytest.mark.parametrize("name", STRANGE)
def test_classifier_refuses_a_model_that_contradicts_its_metadata(tmp_path, name, capfd):
    model, changes = STRANGE[name]
    path = write_tiny(tmp_path / "strange.onnx", model, **changes)
    with pytest.raises(ArtifactError, match=r"strange\.onnx: ") as caught:
        Classifier(path).warmup()
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_classifier_validates_the_model_before_it_opens_a_session(tmp_path):
    """Each of these models would load, or do harm while it loads."""
    from made_models import refused_models

    for name, model, reason in refused_models():
        path = write_tiny(tmp_path / f"{name}.onnx", model)
        with pytest.raises(ArtifactError, match=rf"{name}\.onnx: refused: .*{reason}"):
            Classifier(path)


def test_classifier_refuses_a_batch_whose_cost_grows_faster_than_its_size(tmp_path):
    path = write_tiny(tmp_path / "squaring.onnx", squaring_model())
    classifier = Classifier(path, model_limits=ModelLimits(max_node_operations=20_000))
    assert classifier.logits(BATCH).shape == (len(BATCH), len(LABELS))
    message = r"squaring\.onnx: refused for 3000 images at once: operator 'MatMul' .* needs about 2\.9e\+08 operations"
    with pytest.raises(ArtifactError, match=message):
        classifier.logits(np.zeros((3000, *CROP, 3), np.uint8))


def test_classifier_names_unknown_models_and_absent_files(tmp_path, monkeypatch):
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


def test_built_in_model_is_found_beside_a_folder_of_its_name(tmp_path, monkeypatch, tiny_artifact):
    from edgekit.hub import built_in, model_files

    monkeypatch.setattr(built_in, "built_in_models", lambda: {"tiny": tiny_artifact})
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    assert model_files.model_path("tiny") == tiny_artifact


def test_repr_of_a_classifier_names_the_network_and_the_file(classifier, tiny_artifact):
    assert repr(classifier) == f"<Classifier 'tiny', float32, 4 labels, {str(tiny_artifact)!r}>"
    assert repr(Classifier(tiny_artifact.read_bytes())) == "<Classifier 'tiny', float32, 4 labels, model bytes>"
