"""Eight bits, and the gate: on the shipped LeNet-5 and real digits."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import edgekit.export.quantize as module
from edgekit import dataset
from edgekit.artifact import read_info, read_sidecar
from edgekit.dataset import PictureSet
from edgekit.errors import DataError, QualityGateError
from edgekit.evaluate.accuracy import Accuracy
from edgekit.evaluate.latency import PairedLatency
from edgekit.export.parity import Parity
from edgekit.export.quantize import Judgement, QuantizeRecipe, quantize, require_quality
from edgekit.files import sha256
from edgekit.runtime.shipped import shipped_models


@pytest.fixture(scope="module")
def digits(shared: Path) -> tuple[PictureSet, PictureSet]:
    """Calibration and held-out digits."""
    training, held_out = (dataset.read(shared / "data/mnist", split) for split in ("train", "val"))
    return training.sample(64, seed=0), held_out.sample(300, seed=0)


@pytest.fixture(scope="module")
def lenet5() -> Path:
    return shipped_models()["lenet5-mnist"]


def test_int8_file_is_smaller_and_says_how_it_was_judged(lenet5, digits, tmp_path):
    path = tmp_path / "int8.onnx"
    judgement = quantize(lenet5, path, calibration=digits[0], held_out=digits[1], min_speedup=0)
    info = read_info(path)
    assert judgement.child.top1 >= 0.97
    assert path.stat().st_size < lenet5.stat().st_size / 2
    assert info.precision == "int8"
    assert info.parent_sha256 == sha256(lenet5.read_bytes())
    assert info.calibration["pictures"] == 64
    assert info.metrics == judgement.child.to_dict()
    assert info.parity["quantize"]["parent_top1"] == judgement.parent.top1
    assert read_sidecar(path)["latency"]["speedup"] == judgement.latency.speedup


def test_same_calibration_gives_the_same_bytes(lenet5, digits, tmp_path):
    first, second = tmp_path / "first.onnx", tmp_path / "second.onnx"
    few = digits[1].subset(range(20))
    for path in (first, second):
        quantize(lenet5, path, calibration=digits[0], held_out=few, min_speedup=0)
    assert first.read_bytes() == second.read_bytes()


def test_a_worse_model_is_refused_and_not_written(lenet5, digits, tmp_path, monkeypatch):
    # Ranges measured on black pictures clip every real one.
    black = dataclasses.replace(digits[0], sources=[np.zeros((28, 28), np.uint8)] * len(digits[0]))
    with pytest.raises(QualityGateError, match=r"int8 loses \d+\.\d+ points of top-1 .* nothing was written"):
        quantize(lenet5, tmp_path / "int8.onnx", calibration=black, held_out=digits[1], min_speedup=0)
    assert list(tmp_path.iterdir()) == []


def test_a_slower_model_is_refused_and_not_written(lenet5, digits, tmp_path):
    few = digits[1].subset(range(20))
    with pytest.raises(QualityGateError, match="times as fast as float32 here, less than --min-speedup 1000"):
        quantize(lenet5, tmp_path / "int8.onnx", calibration=digits[0], held_out=few, max_drop=100, min_speedup=1000)
    assert list(tmp_path.iterdir()) == []


def test_pictures_may_not_calibrate_and_judge(lenet5, digits, tmp_path):
    with pytest.raises(DataError, match="64 pictures are to calibrate and to judge"):
        quantize(lenet5, tmp_path / "int8.onnx", calibration=digits[0], held_out=digits[0])


def test_too_few_calibration_pictures(lenet5, digits, tmp_path):
    with pytest.raises(DataError, match="3 calibration pictures say too little"):
        quantize(lenet5, tmp_path / "int8.onnx", calibration=digits[0].subset(range(3)), held_out=digits[1])


def test_an_int8_file_is_not_quantized_again(digits, tmp_path):
    int8 = shipped_models()["lenet5-mnist-int8"]
    with pytest.raises(DataError, match="is int8 already"):
        quantize(int8, tmp_path / "again.onnx", calibration=digits[0], held_out=digits[1])


def judged(*, parent: float, child: float, speedup: float) -> Judgement:
    """A judgement of 1,000 pictures with these shares right."""

    def accuracy(share: float) -> Accuracy:
        right = np.arange(1000) < round(1000 * share)
        return Accuracy(np.zeros(1000, np.int64), np.stack([right, ~right], axis=1).astype(float))

    parity = Parity(pictures=1, logit_difference=0, relative_difference=0, probability_difference=0, agreement=1)
    latency = PairedLatency(baseline_ms=speedup, other_ms=1.0, speedup=speedup, threads=1)
    return Judgement(parent=accuracy(parent), child=accuracy(child), parity=parity, latency=latency)


@pytest.mark.parametrize(
    ("parent", "child", "speedup", "passes"),
    [
        (0.90, 0.90, 1.0, True),
        (0.90, 0.89, 1.0, True),
        (0.90, 0.889, 1.0, False),
        (0.90, 0.95, 1.0, True),
        (0.90, 0.90, 0.99, False),
    ],
)
def test_the_gate_at_its_limits(parent, child, speedup, passes):
    judgement = judged(parent=parent, child=child, speedup=speedup)
    if passes:
        require_quality(judgement, max_drop=1.0 + 1e-9, min_speedup=1.0)
    else:
        with pytest.raises(QualityGateError):
            require_quality(judgement, max_drop=1.0 + 1e-9, min_speedup=1.0)


def test_recipe_reaches_the_file(lenet5, digits, tmp_path):
    few, judge = digits[0].subset(range(8)), digits[1].subset(range(20))
    written = {}
    for recipe in (QuantizeRecipe(), QuantizeRecipe(per_channel=False), QuantizeRecipe(activations="int8")):
        path = tmp_path / f"{len(written)}.onnx"
        module.quantize(lenet5, path, calibration=few, held_out=judge, recipe=recipe, max_drop=100, min_speedup=0)
        written[recipe] = path.read_bytes()
    assert len(set(written.values())) == 3
