"""Triton's own client against a server, in an environment of its own."""

import json
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from made_environments import ENVIRONMENT, ROOT, TIMEOUT_S, make_environment
from made_serve import serving

from edgekit import Classifier
from edgekit.serve import ServeSettings, create_app

SHIP = ROOT / "examples" / "ship.png"
# What the client reads, with binary tensors (its default) and with JSON.
PROGRAM = """
import json, sys
import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

client = triton.InferenceServerClient(sys.argv[1])
batch = np.load(sys.argv[2])
found = {"ready": [client.is_server_live(), client.is_server_ready(), client.is_model_ready("tiny")]}
found["metadata"] = client.get_model_metadata("tiny")
for binary in (True, False):
    pixels = triton.InferInput("pixels", batch.shape, "UINT8").set_data_from_numpy(batch, binary_data=binary)
    outputs = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("logits", "probabilities")]
    result = client.infer("tiny", [pixels], outputs=outputs, request_id="7")
    assert result.get_response()["id"] == "7"
    found[str(binary)] = {name: result.as_numpy(name).tolist() for name in ("logits", "probabilities")}
both = client.async_infer("tiny", [pixels]).get_result()
found["default"] = {name: both.as_numpy(name).tolist() for name in ("logits", "probabilities")}
wrong = triton.InferInput("pixels", [1, 9, 9, 3], "UINT8").set_data_from_numpy(np.zeros((1, 9, 9, 3), np.uint8))
for model, tensor in (("tiny", wrong), ("tony", pixels)):
    try:
        client.infer(model, [tensor])
    except InferenceServerException as error:
        found[model] = [error.status(), error.message()]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment that sees the packages of this one and has Triton's client."""
    python = make_environment(tmp_path_factory.mktemp("triton") / "environment")
    packages = next(python.parents[1].rglob("site-packages"))
    (packages / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "-q", "--python", python, "install", "--no-compile")
    done = subprocess.run(
        (*pip, "-c", ROOT / "constraints-peers.txt", "tritonclient[http]"),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"tritonclient cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return python


@pytest.fixture(scope="module")
def address(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1))
    with serving(app) as client:
        yield f"127.0.0.1:{client.port}"
    app.state.services.close()


def run(python: Path, *arguments: object) -> str:
    command = [str(python), *map(str, arguments)]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_client_gets_what_the_library_predicts(python, address, tiny_artifact, tmp_path):
    import numpy as np

    batch = np.random.default_rng(1).integers(0, 256, (2, 8, 10, 3), np.uint8)
    np.save(tmp_path / "batch.npy", batch)
    found = json.loads(run(python, "-c", PROGRAM, address, tmp_path / "batch.npy"))
    logits = Classifier(tiny_artifact).logits(batch).tolist()
    assert found["ready"] == [True, True, True]
    assert [tensor["name"] for tensor in found["metadata"]["inputs"]] == ["pixels", "image"]
    assert found["True"] == found["False"] == found["default"]
    assert found["True"]["logits"] == logits
    assert found["tiny"] == ["400", "`inputs[0].shape` must be [N, 8, 10, 3], with N from 1 to 64 (got [1, 9, 9, 3])"]
    assert found["tony"] == ["404", "unknown model 'tony'; did you mean tiny?"]


@pytest.mark.slow
def test_example_prints_the_most_probable_classes(python, address, tiny_artifact):
    output = run(python, ROOT / "examples" / "serve" / "triton_client.py", "tiny", SHIP, address)
    best = Classifier(tiny_artifact).predict(SHIP, top=3).top
    assert output.splitlines() == [f"{score.probability}:{score.index}:{score.label}" for score in best]
