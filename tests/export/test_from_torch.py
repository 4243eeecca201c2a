"""from_torch: a torch module becomes one file with the same logits."""

import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from made_modules import ModelOutput, Returning, body
from torch import Tensor, nn

from edgekit import Classifier
from edgekit.artifact.info import ArtifactInfo, read_info
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError, ParityError, SpecError
from edgekit.export.from_torch import TOLERANCE, ModuleForm, from_torch
from edgekit.export.module_scores import scores_in
from edgekit.preprocess.spec import Preprocess
from edgekit.zoo.build import build
from edgekit.zoo.specs import SPECS


def info() -> ArtifactInfo:
    return ArtifactInfo(
        model="lenet5", labels=tuple("0123456789"), preprocess=SPECS["lenet5"].preprocess, license="Apache-2.0"
    )


def lenet5() -> nn.Module:
    torch.manual_seed(0)
    return build("lenet5")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "lenet5.onnx"
    from_torch(lenet5(), info(), path)
    return path


def test_from_torch_stores_the_measured_parity(exported):
    figures = read_info(exported).parity["to_onnx"]
    assert figures["images"] == 16
    assert figures["on"] == "drawings"
    assert 0 <= figures["relative_difference"] <= TOLERANCE
    assert figures["agreement"] == 1


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_from_torch_exports_a_dynamic_batch(exported, batch):
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 32, 32, 1), np.uint8)
    classifier = Classifier(exported)
    logits = classifier.logits(pixels)
    assert logits.shape == (batch, 10)
    np.testing.assert_allclose(logits, np.concatenate([classifier.logits(p[None]) for p in pixels]), atol=1e-5)


def test_from_torch_twice_gives_the_same_bytes(exported, tmp_path):
    again = tmp_path / "again.onnx"
    from_torch(lenet5(), info(), again)
    assert again.read_bytes() == exported.read_bytes()


def test_from_torch_leaves_no_paths_or_tool_names_in_the_file(exported):
    data = exported.read_bytes()
    for trace in (b".py", str(Path.home()).encode() + b"/", str(exported.parent).encode(), b"pkg.torch"):
        assert trace not in data


SMALL = Preprocess(resize=20, crop=(16, 20), mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 20, 3), np.uint8)


def normalized(pixels: np.ndarray) -> Tensor:
    return (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - 0.5) / 0.25


@pytest.mark.parametrize(
    ("scores", "form", "labels", "expected_labels", "task", "inverse"),
    [
        (3, lambda s: s.softmax(1), "abc", "abc", "single-label", lambda logits: logits.softmax(1)),
        (3, torch.sigmoid, "abc", "abc", "multi-label", torch.sigmoid),
        (
            1,
            lambda s: s.squeeze(1).sigmoid(),
            ["a"],
            ["not a", "a"],
            "single-label",
            lambda logits: logits.sigmoid()[:, 1],
        ),
        (1, lambda s: {"out": s}, "xy", "xy", "single-label", lambda logits: logits[:, 1:]),
        (
            3,
            lambda s: ModelOutput(logits=s[:, :, None, None], extra=s),
            "abc",
            "abc",
            "single-label",
            lambda logits: logits,
        ),
    ],
    ids=["softmax", "sigmoids", "sigmoid", "dict", "output"],
)
def test_from_torch_makes_logits_of_each_form_of_scores(scores, form, labels, expected_labels, task, inverse, tmp_path):
    module, path = Returning(body(scores), form).eval(), tmp_path / "module.onnx"
    given = ArtifactInfo(model="made", labels=tuple(labels), preprocess=SMALL, license="MIT")
    exported = from_torch(module, given, path, form=ModuleForm())
    assert exported.info == read_info(path)
    assert (exported.info.labels, exported.info.task) == (tuple(expected_labels), task)
    assert not {"Softmax", "Sigmoid"} & {node.op_type for node in onnx.load(path).graph.node}
    logits = torch.from_numpy(Classifier(path).logits(PIXELS))
    assert logits.shape == (3, len(expected_labels))
    if scores == 1:
        assert not logits[:, 0].any()
    with torch.inference_mode():
        expected = scores_in(module(normalized(PIXELS)))
    torch.testing.assert_close(inverse(logits), expected.reshape(3, -1).reshape(inverse(logits).shape))


def test_from_torch_reverses_the_channels_for_a_bgr_module(tmp_path):
    module, path = body(3).eval(), tmp_path / "bgr.onnx"
    given = ArtifactInfo(model="made", labels=tuple("abc"), preprocess=SMALL, license="MIT")
    from_torch(module, given, path, form=ModuleForm(bgr=True))
    with torch.inference_mode():
        expected = module(normalized(PIXELS[..., ::-1].copy()))
    np.testing.assert_allclose(Classifier(path).logits(PIXELS), expected.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("module", "form", "message"),
    [
        (
            nn.Sequential(body(3), nn.Softmax(1)),
            ModuleForm(task="multi-label"),
            "`task` must be 'single-label': .* sum to 1",
        ),
        (nn.Sequential(body(3), nn.Sigmoid()), ModuleForm(task="single-label"), "`task` must be 'multi-label'"),
        (
            nn.Sequential(body(3), nn.Softmax(1)),
            None,
            "ends in Softmax and its outputs sum to 1, so they are not logits",
        ),
        (
            nn.Sequential(body(3), nn.Hardsigmoid()),
            ModuleForm(),
            "outputs lie between 0 and 1, but neither .*; set `output",
        ),
    ],
)
def test_from_torch_raises_for_scores_that_contradict_what_is_said_of_them(module, form, message, tmp_path):
    given = ArtifactInfo(model="made", labels=tuple("abc"), preprocess=SMALL, license="MIT")
    with pytest.raises(SpecError, match=rf"^the module: .*{message}"):
        from_torch(module, given, tmp_path / "module.onnx", form=form)
    assert list(tmp_path.iterdir()) == []


def test_from_torch_compares_a_single_image(tmp_path):
    images = ImageSet((), [PIXELS[0]], ("one",), (0,))
    given = ArtifactInfo(model="made", labels=tuple("abc"), preprocess=SMALL, license="MIT")
    exported = from_torch(body(3), given, tmp_path / "module.onnx", images=images)
    assert exported.parity.images == 1
    assert Classifier(tmp_path / "module.onnx").logits(PIXELS).shape == (3, 3)  # the batch size stays dynamic


class Noisy(nn.Module):
    """A network with random outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.network = lenet5()

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x)
        return logits + torch.rand_like(logits)


def test_from_torch_writes_nothing_if_the_logits_differ(tmp_path):
    path = tmp_path / "noisy.onnx"
    with pytest.raises(ParityError, match="nothing was written") as caught:
        from_torch(Noisy(), info(), path)
    assert caught.value.measured > caught.value.tolerance == TOLERANCE
    assert list(tmp_path.iterdir()) == []


class Branching(nn.Module):
    """A network that branches on a value, which torch cannot export."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)[:, :10] if x.sum().item() > 0 else x.flatten(1)[:, 10:20]


def test_from_torch_reports_the_first_cause_in_one_line(tmp_path, capfd):
    with pytest.raises(EdgekitError, match=r"torch cannot export this network: .*data-dependent") as caught:
        from_torch(Branching(), info(), tmp_path / "branching.onnx")
    assert str(caught.value).isprintable()
    assert "x1b" not in str(caught.value)
    assert capfd.readouterr() == ("", "")  # torch would print whole graphs
    assert list(tmp_path.iterdir()) == []


def test_from_torch_raises_for_an_input_size_that_the_network_does_not_accept(tmp_path):
    large = dataclasses.replace(info(), preprocess=Preprocess(color="L", resize=64, crop=64, mean=0.5, std=0.5))
    with pytest.raises(SpecError, match="this network accepts inputs from"):
        from_torch(lenet5(), large, tmp_path / "large.onnx")
