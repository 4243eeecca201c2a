"""Files of edgekit in onnxruntimes of years ago: they load, and float32 and int8 outputs are those of today."""

import subprocess
import sys

import numpy as np
import onnxruntime as ort
import pytest
from made_environments import make_environment, run

from edgekit.dataset import ImageSet
from edgekit.export.parity_inputs import sample_sources
from edgekit.hub.built_in import built_in_models
from edgekit.quantize.candidates import CandidateBuilder
from edgekit.quantize.float_source import read_float_source
from edgekit.quantize.pixel_cache import PixelCache
from edgekit.quantize.schemes import SCHEMES
from edgekit.runtime.session import open_session
from edgekit.runtime.targets import TARGETS
from edgekit.stages import no_progress

VERSIONS = ("1.15.1", "1.17.3")
PROGRAM = """
import sys
import numpy as np
import onnxruntime as ort

pixels = dict(np.load(sys.argv[1]))
outputs = {}
for name, batch in pixels.items():
    session = ort.InferenceSession(sys.argv[2].format(name), providers=["CPUExecutionProvider"])
    (outputs[name],) = session.run(["logits"], {"pixels": batch})
np.savez(sys.argv[3], **outputs)
print(ort.__version__)
"""


@pytest.fixture(scope="module", params=VERSIONS)
def old_python(request, tmp_path_factory):
    """The Python of an environment with an old onnxruntime, which needs an old numpy."""
    python = make_environment(tmp_path_factory.mktemp("old") / request.param)
    pip = (sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-deps")
    packages = (f"onnxruntime=={request.param}", "numpy<2", "coloredlogs", "flatbuffers", "packaging", "protobuf")
    done = subprocess.run([*map(str, pip), *packages], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip cannot install onnxruntime {request.param}: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.mark.slow
def test_shipped_models_give_the_same_logits_in_old_runtimes(old_python, tmp_path):
    models = built_in_models()
    random = np.random.default_rng(0)
    pixels = {}
    for name, path in models.items():
        _, height, width, channels = open_session(path.read_bytes(), name=name).get_inputs()[0].shape
        pixels[name] = random.integers(0, 256, (2, height, width, channels), np.uint8)
        (tmp_path / f"{name}.onnx").write_bytes(path.read_bytes())
    np.savez(tmp_path / "pixels.npz", **pixels)
    arguments = (tmp_path / "pixels.npz", tmp_path / "{}.onnx", tmp_path / "logits.npz")
    version = run(old_python, "-c", PROGRAM, *arguments, cwd=tmp_path).strip()
    assert version in VERSIONS
    assert version != ort.__version__
    old = np.load(tmp_path / "logits.npz")
    assert len(models) >= 4
    for name, path in models.items():
        (today,) = open_session(path.read_bytes(), name=name).run(["logits"], {"pixels": pixels[name]})
        tolerance = 0 if name.endswith("int8") else 1e-4 * np.abs(today).max()
        np.testing.assert_allclose(old[name], today, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.slow
def test_files_for_the_web_give_the_same_logits_in_old_runtimes(old_python, tmp_path):
    """Weights behind a DequantizeLinear, and DequantizeLinear of activations with a scale per channel."""
    source = read_float_source(built_in_models()["mobilenet_v2-cifar10"])
    images, names = sample_sources(None, 8)
    with PixelCache(ImageSet((), images, names, (0,) * 8), source.info.preprocess) as cache:
        builder = CandidateBuilder(source.model, cache, target=TARGETS["web"], progress=no_progress)
        files = {name: builder.build(SCHEMES[name]) for name in ("int8-weights", "int8")}
        pixels = np.concatenate(list(cache))
    for name, data in files.items():
        (tmp_path / f"{name}.onnx").write_bytes(data)
    np.savez(tmp_path / "pixels.npz", **dict.fromkeys(files, pixels))
    run(old_python, "-c", PROGRAM, tmp_path / "pixels.npz", tmp_path / "{}.onnx", tmp_path / "logits.npz", cwd=tmp_path)
    old = np.load(tmp_path / "logits.npz")
    for name, tolerance in (("int8-weights", 1e-4), ("int8", 0.05)):  # float sums may move an activation by a step
        (today,) = open_session(files[name], name=name, target="web").run(["logits"], {"pixels": pixels})
        np.testing.assert_allclose(old[name], today, rtol=0, atol=tolerance * np.abs(today).max(), err_msg=name)
