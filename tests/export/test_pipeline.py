"""to_onnx: any torch classifier becomes one reproducible file."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from made_modules import Processor, like_timm, like_transformers
from made_reports import drawn_images
from torch import Tensor, nn

import edgekit.export
from edgekit import Classifier, Preprocess
from edgekit.artifact.info import read_info
from edgekit.dataset import ImageSet
from edgekit.errors import DataError, SpecError
from edgekit.evaluate.accuracy import measure_accuracy
from edgekit.evaluate.calibration import expected_calibration_error
from edgekit.export.pipeline import to_onnx
from edgekit.image.size import Size
from edgekit.runtime.session import open_session, run_batches

SIZE = Size(16, 20)
PREPROCESS = Preprocess(resize=20, crop=SIZE)
LABELS = ("cat", "dog", "cow")
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    body = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*body, nn.Linear(8, len(LABELS)))


def torch_logits(module: nn.Module, pixels: np.ndarray) -> np.ndarray:
    """The logits of torch, with torchvision's form of the normalization."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (PREPROCESS.mean, PREPROCESS.std))
    normalized = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.inference_mode():
        return module.eval()(normalized).numpy()


def output(path: Path, name: str, pixels: np.ndarray) -> np.ndarray:
    return run_batches(open_session(path.read_bytes(), name="test"), pixels, output=name)


def test_the_public_function_is_this_one():
    assert edgekit.export.to_onnx is to_onnx
    with pytest.raises(AttributeError, match="to_onix"):
        edgekit.export.to_onix  # noqa: B018


def test_to_onnx_writes_all_outputs_and_a_fixed_batch(tmp_path):
    module, path = small().train(), tmp_path / "small.onnx"
    conversion = to_onnx(
        module, path, preprocess=PREPROCESS, labels=LABELS, license="MIT", batch=2, features=True, activation_maps=True
    )
    assert all(part.training for part in module.modules())  # the training mode is restored
    info = read_info(path)
    assert (info.model, info.labels, info.license) == ("Sequential", LABELS, "MIT")
    assert list(info.parity) == ["refit", "simplify", "to_onnx"]
    assert conversion.simplified_by == info.parity["simplify"]["by"] == "onnxsim"
    classifier = Classifier(path)
    np.testing.assert_allclose(classifier.logits(PIXELS), torch_logits(module, PIXELS), atol=1e-4)
    assert output(path, "features", PIXELS).shape == (3, 8)
    np.testing.assert_allclose(output(path, "maps", PIXELS).mean(axis=(2, 3)), classifier.logits(PIXELS), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
def test_to_onnx_exports_torchvision_networks(torchvision_models, name, tmp_path, unsimplified):
    torch.manual_seed(0)
    module = getattr(torchvision_models, name)(num_classes=len(LABELS))
    path = tmp_path / f"{name}.onnx"
    preprocess = Preprocess(resize=64, crop=64)
    conversion = to_onnx(module, path, preprocess=preprocess, labels=LABELS, features=True, activation_maps=True)
    assert conversion.info.parity["to_onnx"]["agreement"] == 1
    pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    classifier = Classifier(path)
    np.testing.assert_allclose(classifier.logits(pixels), torch_logits(module, pixels), atol=1e-3)
    assert output(path, "maps", pixels).shape == (2, len(LABELS), 2, 2)


def test_to_onnx_fits_a_temperature_to_its_own_images(tmp_path, unsimplified):
    plain, path, module = tmp_path / "plain.onnx", tmp_path / "calibrated.onnx", small()
    module[-1].weight.data *= 20  # so that the classes differ enough for labels to be drawn
    options = {"preprocess": PREPROCESS, "labels": LABELS}
    to_onnx(module, plain, **options)
    images, warnings = drawn_images(plain, 300, temperature=0.5), []
    info = to_onnx(
        module,
        path,
        **options,
        images=images.subset(range(250)),
        temperature_images=images.subset(range(150, 300)),
        on_warning=warnings.append,
    ).info
    low, high = info.temperature_fit["interval"]
    assert warnings == []
    assert low < 0.5 < high
    assert (info.metrics["images"], info.temperature_fit["images"]) == (250, 150)
    unfitted = measure_accuracy(Classifier(path), images.subset(range(150)))
    assert info.metrics["ece_images"] == 150
    assert info.metrics["ece"] == round(expected_calibration_error(unfitted.truth, unfitted.probabilities), 4)
    assert info.metrics["ece"] < info.metrics["uncalibrated_ece"]
    first, second = (Classifier(model).predict(images.sources[0]) for model in (plain, path))
    np.testing.assert_array_equal(first.logits, second.logits)
    np.testing.assert_array_equal(second.uncalibrated, first.probabilities)
    assert second.probability > first.probability
    assert read_info(path) == info


def test_to_onnx_raises_for_images_that_cannot_fit_a_temperature(tmp_path):
    images = ImageSet(LABELS, list(PIXELS), ("a", "b", "c"), (0, 1, 2))
    with pytest.raises(DataError, match="at least 100 images"):
        to_onnx(small(), tmp_path / "x.onnx", preprocess=PREPROCESS, labels=LABELS, temperature_images=images)
    assert list(tmp_path.iterdir()) == []


class Nested(nn.Module):
    """A module whose logits lie too deep."""

    def forward(self, x: Tensor) -> tuple[tuple[Tensor]]:
        return ((x,),)


class Squeezed(nn.Module):
    """A module that drops the batch axis for a single image."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (
            nn.Sequential(nn.Flatten(), nn.Linear(960, 10)),
            r"one name for each of the model's 10 classes \(got 3 names\)",
        ),
        (Nested(), r"must return a tensor of logits \(got a tuple\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 3)), r"does not accept float32 \(2, 3, 16, 20\)"),
        (small().double(), r"does not accept float32 .*; its weights are float64, so pass module\.float\(\)"),
        (nn.Sequential(small(), Squeezed()), r"got float32 \(3,\)"),
        (small().to("meta"), r"must be on the CPU \(got meta\)"),
    ],
    ids=["labels", "tuple", "input", "double", "squeezed", "device"],
)
def test_to_onnx_raises_in_one_line_for_a_module_that_does_not_fit(module, message, tmp_path):
    with pytest.raises(SpecError, match=message) as caught:
        to_onnx(module, tmp_path / "x.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_to_onnx_needs_nothing_for_a_module_that_states_everything(tmp_path, unsimplified):
    module, path = like_timm(label_names=LABELS, license="apache-2.0", std=(0.25,) * 3), tmp_path / "x.onnx"
    conversion = to_onnx(module, path)
    info = read_info(path)
    assert (info.model, info.labels, info.license) == ("tiny_net", LABELS, "unknown")
    assert (info.preprocess.fit, info.preprocess.crop, info.preprocess.std) == ("squash", (20, 24), (0.25,) * 3)
    (source,) = conversion.sources
    names, origin = source.split(": ")
    assert set(names.split(", ")) == {"fit", "resize", "crop", "interpolation", "mean", "std", "labels", "model"}
    assert origin == "the module's pretrained_cfg"
    assert conversion.notes == (
        "'apache-2.0' is the license of the module's pretrained weights; set `license` if it has them",
    )
    assert to_onnx(module, path, license="MIT", model="mine").notes == ()
    assert (read_info(path).license, read_info(path).model) == ("MIT", "mine")


def test_to_onnx_takes_labels_and_task_from_a_module_of_transformers(tmp_path, unsimplified):
    module, path = like_transformers(problem_type="multi_label_classification"), tmp_path / "x.onnx"
    conversion = to_onnx(module, path, preprocess=Processor())
    assert conversion.info.labels == ("class 0", "class 1", "class 2")
    assert (conversion.info.task, conversion.notes) == ("multi-label", ())
    pixels = np.random.default_rng(0).integers(0, 256, (2, 20, 24, 3), np.uint8)
    normalized = (
        torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - torch.tensor((0.5, 0.4, 0.3)).view(3, 1, 1)
    ) / 0.25
    with torch.inference_mode():
        np.testing.assert_allclose(Classifier(path).logits(pixels), module(normalized).logits, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_to_onnx_raises_for_a_torchscript_module(tmp_path):
    with pytest.raises(SpecError, match=r"pass the nn\.Module that it was created from"):
        to_onnx(torch.jit.script(small().eval()), tmp_path / "x.onnx", preprocess=PREPROCESS, labels=LABELS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "cat"}, "`labels` must be a list of class names"),
        ({"labels": []}, "at least one class name"),
        ({"labels": None}, r"the module \(Identity\) does not state its labels; pass `labels`"),
        ({"preprocess": "imagenet"}, "`preprocess` must be a Preprocess, "),
        ({"bgr": 1}, "`bgr`"),
        ({"batch": 0}, r"`batch` must be an integer from 1 to 256, or None .* \(got 0\)"),
        ({"batch": 257}, "got 257"),
        ({"batch": "8"}, "got '8'"),
    ],
)
def test_to_onnx_raises_for_invalid_options(options, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        to_onnx(nn.Identity(), tmp_path / "x.onnx", **{"preprocess": PREPROCESS, "labels": LABELS, **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_to_onnx_exports_the_module_inside_a_compiled_one(tmp_path, unsimplified):
    module, path = small(), tmp_path / "compiled.onnx"
    to_onnx(torch.compile(module), path, preprocess=PREPROCESS, labels=LABELS)
    assert read_info(path).model == "Sequential"
    np.testing.assert_allclose(Classifier(path).logits(PIXELS), torch_logits(module, PIXELS), atol=1e-4)


@pytest.mark.parametrize("opset", [17, 99, "20"])
def test_to_onnx_raises_for_an_unsupported_opset(opset, tmp_path):
    with pytest.raises(SpecError, match=rf"`opset` must be an integer from 18 to [0-9]+ \(got {opset!r}\)"):
        to_onnx(small(), tmp_path / "x.onnx", preprocess=PREPROCESS, labels=LABELS, opset=opset)


def test_to_onnx_writes_the_requested_opset(tmp_path, unsimplified):
    path = tmp_path / "x.onnx"
    to_onnx(small(), path, preprocess=PREPROCESS, labels=LABELS, opset=18)
    assert [entry.version for entry in onnx.load(path).opset_import] == [18]


EXPORT = """
import sys, torch
from torch import nn
from edgekit import Preprocess
from edgekit.export import to_onnx
torch.manual_seed(0)
body = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
module = nn.Sequential(*body, nn.Linear(8, 3))
to_onnx(module, sys.argv[1], preprocess=Preprocess(resize=20, crop=(16, 20)), labels=("cat", "dog", "cow"))
"""


@pytest.mark.slow
def test_to_onnx_gives_the_same_bytes_in_another_process_and_folder(tmp_path):
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / f"folder-{seed}"
        folder.mkdir()
        (folder / "export_script.py").write_text(EXPORT)
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "export_script.py", "model.onnx"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, timeout=600)
        written.append((folder / "model.onnx").read_bytes())
    assert written[0] == written[1]
    paths = (str(tmp_path), str(Path.home()) + "/", str(Path(__file__).parents[2]), "site-packages", "export_script")
    for trace in (*paths, ".py", "/tmp", "pkg.torch", "torch.onnx", "onnxscript", "onnxsim_", "aten"):
        assert trace.encode() not in written[0], trace
