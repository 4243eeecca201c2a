"""Third-party files: real ones in every state that exporters leave them in, and what a large one costs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from made_models import write_tiny
from made_plain import LABELS, SIZE, plain_model

from edgekit import Classifier, Preprocess
from edgekit.artifact.info import read_info
from edgekit.errors import ArtifactError, EdgekitError
from edgekit.export.adopt import adopt
from edgekit.export.third_party import read_third_party
from edgekit.files import sha256

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)
LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"
# Networks of the onnx package whose weights are constants: what adopting them gives.
OUTCOMES = {
    "bvlc_alexnet": "generates more than 33554432 elements",
    "densenet121": "never negative and always sum to",
    "inception_v1": "probabilities",
    "inception_v2": "probabilities",
    "resnet50": "probabilities",
    "shufflenet": "probabilities",
    "squeezenet": "probabilities",
    "vgg19": "generates more than 33554432 elements",
    "zfnet512": "generates more than 33554432 elements",
}


def saved(folder, model):
    path = folder / "third-party.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_read_third_party_raises_for_an_edgekit_model(tmp_path):
    with pytest.raises(ArtifactError, match="already an edgekit model"):
        read_third_party(write_tiny(tmp_path / "tiny.onnx"))


def test_the_list_of_light_models_is_complete():
    assert [path.stem.removeprefix("light_") for path in sorted(LIGHT.glob("*.onnx"))] == sorted(OUTCOMES)


@pytest.mark.slow
@pytest.mark.usefixtures("unsimplified")
@pytest.mark.parametrize("name", OUTCOMES)
def test_models_of_the_onnx_package_are_adopted_or_refused_with_the_reason(name, tmp_path):
    preprocess = Preprocess(mean=0.5, std=0.5)
    labels = [f"class {number}" for number in range(1000)]
    path, new = LIGHT / f"light_{name}.onnx", tmp_path / "new.onnx"
    if OUTCOMES[name] != "probabilities":
        with pytest.raises(EdgekitError, match=OUTCOMES[name]):
            adopt(read_third_party(path), new, preprocess=preprocess, labels=labels)
        return
    adoption = adopt(read_third_party(path), new, preprocess=preprocess, labels=labels)
    assert (adoption.output_kind, adoption.batch) == ("probabilities", None)
    assert "the fixed batch size 1 is dynamic now" in adoption.notes


@pytest.mark.usefixtures("unsimplified")
def test_adopt_joins_the_weights_of_a_file_beside_the_model(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(plain_model(), path, save_as_external_data=True, location="model.onnx.data", size_threshold=0)
    source = read_third_party(path)
    assert source.notes == ("weights read from model.onnx.data",)
    adoption = adopt(source, tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    plain = read_third_party(saved(tmp_path, plain_model()))
    expected = adopt(plain, tmp_path / "plain.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert Classifier(adoption.path).logits(PIXELS).tolist() == Classifier(expected.path).logits(PIXELS).tolist()
    assert read_info(adoption.path).weights_sha256 == sha256(source.read())


@pytest.mark.usefixtures("unsimplified")
def test_adopt_removes_inputs_that_nothing_uses(tmp_path):
    model = plain_model()
    model.graph.input.append(onnx.helper.make_tensor_value_info("mean:0", onnx.TensorProto.FLOAT, [1, 1, 1, 3]))
    source = read_third_party(saved(tmp_path, model))
    assert source.notes == ("inputs removed, because nothing uses them: 'mean:0'",)
    adoption = adopt(source, tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    expected = adopt(
        read_third_party(saved(tmp_path, plain_model())), tmp_path / "plain.onnx", preprocess=PREPROCESS, labels=LABELS
    )
    assert Classifier(adoption.path).logits(PIXELS).tolist() == Classifier(expected.path).logits(PIXELS).tolist()


def test_adopt_refuses_a_file_that_changed_after_it_was_read(tmp_path):
    path = saved(tmp_path, plain_model())
    source = read_third_party(path)
    path.write_bytes(plain_model(end="softmax").SerializeToString())
    with pytest.raises(ArtifactError, match=r"third-party\.onnx: changed since it was validated"):
        adopt(source, tmp_path / "new.onnx", preprocess=PREPROCESS, labels=LABELS)
    assert not (tmp_path / "new.onnx").exists()


PEAK = """
import sys
from pathlib import Path
from edgekit import Preprocess
from edgekit.export import adopt, read_third_party
from made_plain import LABELS, SIZE
preprocess = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
for path in sys.argv[1:]:
    adopt(read_third_party(path), path + ".new.onnx", preprocess=preprocess, labels=LABELS)
    (peak,) = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    print(int(peak) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
def test_adopt_of_a_large_model_needs_three_times_its_size(tmp_path):
    """onnxruntime needs twice the size for its session."""
    small, large = saved(tmp_path, plain_model()), tmp_path / "large.onnx"
    model = plain_model()
    rng = np.random.default_rng(0)
    hidden = 8_000
    weights = {
        "wide": rng.normal(size=(8 * SIZE.height * SIZE.width, hidden)).astype(np.float32),  # 43 MB
        "narrow": rng.normal(size=(hidden, 8)).astype(np.float32),
    }
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in weights.items())
    nodes = [
        onnx.helper.make_node("Flatten", ["active"], ["everything"]),
        onnx.helper.make_node("MatMul", ["everything", "wide"], ["hidden"]),
        onnx.helper.make_node("Relu", ["hidden"], ["active_hidden"]),
        onnx.helper.make_node("MatMul", ["active_hidden", "narrow"], ["flat"]),
    ]
    del model.graph.node[2:4]
    for number, node in enumerate(nodes):
        model.graph.node.insert(2 + number, node)
    large.write_bytes(model.SerializeToString())
    command = [sys.executable, "-c", PEAK, small, large]
    made = str(Path(__file__).parents[1] / "made")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=made)
    assert done.returncode == 0, done.stderr
    before, after = map(int, done.stdout.split())
    assert large.stat().st_size > 40e6
    assert after - before < 3 * large.stat().st_size
