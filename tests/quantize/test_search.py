"""From a float32 file to a judged int8 one: on the shipped LeNet-5 and real digits, and on a made network."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_networks import LABELS, conv_network, noise, write_network

from edgekit import Classifier, dataset
from edgekit.artifact.info import read_info, read_sidecar
from edgekit.dataset import ImageSet
from edgekit.errors import ArtifactError, DataError, QualityGateError, SpecError
from edgekit.files import sha256
from edgekit.hub.shipped import shipped_models
from edgekit.quantize import Gate, quantize
from edgekit.quantize.schemes import SCHEMES, SEARCH_ORDER
from edgekit.quantize.search import schemes_for
from edgekit.quantize.targets import TARGETS

ANY_SPEED = Gate(min_speedup=0)
ANYTHING = Gate(max_drop=100, min_speedup=0)


@pytest.fixture(scope="module")
def digits(shared: Path) -> tuple[ImageSet, ImageSet]:
    """Calibration and held-out digits."""
    training, held_out = (dataset.read(shared / "data/mnist", split) for split in ("train", "val"))
    return training.sample(64, seed=0), held_out.sample(300, seed=0)


@pytest.fixture(scope="module")
def lenet5() -> Path:
    return shipped_models()["lenet5-mnist"]


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return write_network(tmp_path_factory.mktemp("network") / "network.onnx")


@pytest.fixture(scope="module")
def images(network) -> tuple[ImageSet, ImageSet]:
    """Calibration and held-out noise; its classes are what the network says."""
    arrays = [array[0] for array in noise(60)]
    with Classifier(network) as classifier:
        labels = tuple(classifier.predict(array).top[0].index for array in arrays)
    every = ImageSet(LABELS, arrays, tuple(f"noise-{i}" for i in range(60)), labels)
    return every.subset(range(16)), every.subset(range(16, 60))


def unlabeled(images: ImageSet) -> ImageSet:
    return dataclasses.replace(images, classes=(), labels=(0,) * len(images))


def test_int8_file_is_smaller_and_says_how_it_was_judged(lenet5, digits, tmp_path):
    path = tmp_path / "int8.onnx"
    trial = quantize(lenet5, path, calibration=digits[0], held_out=digits[1], gate=ANY_SPEED)
    info, result = read_info(path), trial.result
    assert result.child.top1 >= 0.97
    assert path.stat().st_size < lenet5.stat().st_size / 2
    assert result.size_bytes == pytest.approx(path.stat().st_size, rel=0.02)  # it lacks its own result
    assert info.precision == "int8"
    assert info.parent_sha256 == sha256(lenet5.read_bytes())
    assert info.calibration["images"] == 64
    assert info.metrics == result.child.to_dict()
    evidence = info.parity["quantize"]
    assert (evidence["parent_top1"], evidence["recipe"]) == (result.parent.top1, trial.scheme.name)
    assert info.warning is None
    assert read_sidecar(path)["latency"]["speedup"] == result.speedup


@pytest.mark.parametrize(
    ("target", "scheme", "grouped"),
    [
        ("x86-vnni", "int8", True),
        ("x86-vnni", "int8-equalized", False),
        ("x86-vnni", "int8-mixed-20", False),
        ("x86-avx2", "int8", False),
    ],
)
def test_pixels_are_grouped_where_it_was_seen_to_gain(network, images, tmp_path, target, scheme, grouped):
    path, chosen = tmp_path / "int8.onnx", {"schemes": [SCHEMES[scheme]], "target": TARGETS[target]}
    quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING, **chosen)
    kinds = [node.op_type for node in onnx.load(path).graph.node]
    assert ("Reshape" in kinds) == grouped


def test_same_calibration_gives_the_same_bytes(network, images, tmp_path):
    written = []
    for name in ("first", "second"):
        path = tmp_path / f"{name}.onnx"
        quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING)
        written.append(path.read_bytes())
    assert written[0] == written[1]


def test_a_worse_model_is_refused_and_not_written(lenet5, digits, tmp_path):
    # Ranges measured on nearly black images clip every real one.
    rng = np.random.default_rng(0)
    dark = [rng.integers(0, 20, (28, 28)).astype(np.uint8) for _ in range(len(digits[0]))]
    dark = dataclasses.replace(digits[0], sources=dark)
    with pytest.raises(QualityGateError, match=r"int8 loses \d+\.\d+ points of top-1 .* nothing was written"):
        quantize(
            lenet5,
            tmp_path / "int8.onnx",
            calibration=dark,
            held_out=digits[1],
            gate=ANY_SPEED,
            schemes=[SCHEMES["int8"]],
        )
    assert list(tmp_path.iterdir()) == []


def test_a_slower_model_is_refused_and_not_written(network, images, tmp_path):
    with pytest.raises(QualityGateError, match=r"none of 2 schemes passes; .* times as fast .* --min-speedup 1000"):
        quantize(
            network,
            tmp_path / "int8.onnx",
            calibration=images[0],
            held_out=images[1],
            gate=Gate(max_drop=100, min_speedup=1000),
            schemes=SEARCH_ORDER[:2],
        )
    assert list(tmp_path.iterdir()) == []


def test_allow_worse_writes_the_nearest_miss_and_marks_it(network, images, tmp_path):
    trial = quantize(
        network,
        tmp_path / "int8.onnx",
        calibration=images[0],
        held_out=images[1],
        gate=Gate(max_drop=100, min_speedup=1000),
        schemes=SEARCH_ORDER[:1],
        allow_worse=True,
    )
    assert not trial.passed
    assert "--min-speedup 1000" in read_info(tmp_path / "int8.onnx").warning


def test_quantize_stops_at_the_first_that_passes_unless_told(network, images, tmp_path):
    tried = []
    for try_all in (False, True):
        quantize(
            network,
            tmp_path / "int8.onnx",
            calibration=images[0],
            held_out=images[1],
            gate=ANYTHING,
            schemes=SEARCH_ORDER[:2],
            try_all=try_all,
            on_trial=tried.append,
        )
    assert [trial.scheme.name for trial in tried] == ["int8", "int8", "int8-mse"]


def test_the_float_file_is_not_replaced(network, images):
    with pytest.raises(SpecError, match="would replace the file"):
        quantize(network, network, calibration=images[0], held_out=images[1], gate=ANYTHING)


def test_it_is_judged_against_the_network_that_it_stands_in_for(network, images, tmp_path):
    """A network with other activations answers otherwise, however well it is quantized."""
    other = write_network(tmp_path / "other.onnx", conv_network(activation="none"))
    halves = {"calibration": images[0], "held_out": images[1]}
    alone = quantize(other, tmp_path / "alone.onnx", **halves, gate=ANYTHING)
    standing_in = quantize(other, tmp_path / "int8.onnx", **halves, gate=ANYTHING, against=network)
    assert alone.result.divergence < standing_in.result.divergence / 10
    assert standing_in.result.parent.top1 == 1.0
    info = read_info(tmp_path / "int8.onnx")
    assert info.parent_sha256 == sha256(other.read_bytes())
    assert info.parity["quantize"]["against_sha256"] == sha256(network.read_bytes())
    assert "against_sha256" not in read_info(tmp_path / "alone.onnx").parity["quantize"]


def test_it_can_stand_in_only_for_a_network_with_the_same_labels(network, lenet5, images, tmp_path):
    with pytest.raises(DataError, match="differs in its labels"):
        quantize(network, tmp_path / "int8.onnx", calibration=images[0], held_out=images[1], against=lenet5)


@pytest.mark.slow
def test_every_scheme_makes_a_file_that_answers_alike(network, images, tmp_path):
    for scheme in SCHEMES.values():
        if scheme.storage == "dense-int8":  # nothing large enough in this network
            continue
        trial = quantize(
            network,
            tmp_path / "small.onnx",
            calibration=images[0],
            held_out=images[1],
            gate=ANYTHING,
            schemes=[scheme],
        )
        assert trial.result.parity.agreement >= 0.9, scheme.name
        assert Classifier(tmp_path / "small.onnx").info.precision == scheme.precision


def test_without_labels_agreement_and_divergence_judge(network, images, tmp_path):
    calibration, held_out = (unlabeled(half) for half in images)
    path = tmp_path / "int8.onnx"
    trial = quantize(network, path, calibration=calibration, held_out=held_out, gate=ANY_SPEED)
    assert trial.result.drop is None
    assert trial.result.parity.agreement >= 0.95
    assert read_info(path).metrics is None
    strict = Gate(min_agreement=100.5, max_divergence=0.0, min_speedup=0)
    with pytest.raises(QualityGateError, match=r"--min-agreement 100\.5 and has probabilities .* --max-divergence 0"):
        quantize(network, path, calibration=calibration, held_out=held_out, gate=strict, schemes=SEARCH_ORDER[:1])


def test_the_target_decides_the_integers(network, images, tmp_path):
    written = {}
    for name in ("x86-vnni", "x86-avx2", "arm64"):
        path = tmp_path / f"{name}.onnx"
        target = TARGETS[name]
        quantize(network, path, calibration=images[0], held_out=images[1], gate=ANYTHING, target=target)
        assert read_info(path).parity["quantize"]["target"] == name
        written[name] = path.read_bytes()
    assert len(set(written.values())) == 3


def test_images_may_not_calibrate_and_judge(network, images, tmp_path):
    with pytest.raises(DataError, match="16 images are to calibrate and to judge"):
        quantize(network, tmp_path / "int8.onnx", calibration=images[0], held_out=images[0])


def test_quantize_warns_of_unreadable_and_few_held_out_images(network, images, tmp_path):
    warnings = []
    broken = dataclasses.replace(images[1], sources=[b"no image", *images[1].sources[1:]])
    quantize(
        network,
        tmp_path / "int8.onnx",
        calibration=images[0],
        held_out=broken,
        gate=ANYTHING,
        on_warning=warnings.append,
    )
    assert warnings[0] == "1 held-out images cannot be read and are left out"
    assert warnings[1].startswith("43 held-out images judge coarsely")


def test_an_int8_file_is_not_quantized_again(images, tmp_path):
    int8 = shipped_models()["lenet5-mnist-int8"]
    with pytest.raises(DataError, match="is int8 already"):
        quantize(int8, tmp_path / "again.onnx", calibration=images[0], held_out=images[1])


def test_an_old_operator_set_is_refused(network, images, tmp_path):
    import onnx

    model = onnx.load(network)
    model.opset_import[0].version = 11
    old = tmp_path / "old.onnx"
    onnx.save(model, old)
    with pytest.raises(ArtifactError, match="opset 11; quantizing needs 13"):
        quantize(old, tmp_path / "new.onnx", calibration=images[0], held_out=images[1])


def test_weights_only_is_tried_where_the_weights_are_dense(network):
    import onnx

    assert all(scheme.storage != "dense-int8" for scheme in schemes_for(onnx.load(network)))
