"""The modules of edgekit that a program needs."""

import json
import subprocess
import sys
from pathlib import Path

from made_environments import ROOT

from edgekit.bundle.program_modules import program_modules

_LOADED = """
import json, sys
from edgekit.runtime.classifier import Classifier
Classifier({model!r}).predict({image!r})
print(json.dumps([name for name in sys.modules if name.partition(".")[0] == "edgekit"]))
"""


def test_program_modules_contain_all_that_a_prediction_loads():
    model, image = ROOT / "models/lenet5-mnist/lenet5-mnist.onnx", ROOT / "examples/seven.png"
    program = _LOADED.format(model=str(model), image=str(image))
    loaded = json.loads(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    paths = program_modules("edgekit.runtime.classifier")
    assert {f"{name.replace('.', '/')}" for name in loaded} <= {
        path.removesuffix(".py").removesuffix("/__init__") for path in paths
    }


def test_program_modules_are_the_sources_and_few():
    modules = program_modules(
        "edgekit.runtime.classifier", left_out=["edgekit.hub.build_model", "edgekit.hub.registry"]
    )
    assert all(content == (ROOT / path).read_bytes() for path, content in modules.items())
    assert list(modules) == sorted(modules)
    rooms = {Path(path).parts[1] for path in modules if len(Path(path).parts) > 2}
    assert rooms == {"artifact", "hub", "image", "preprocess", "runtime"}


def test_program_modules_leave_out_what_was_left_out_and_only_that_imports():
    everything = program_modules("edgekit.runtime.classifier")
    less = program_modules("edgekit.runtime.classifier", left_out=["edgekit.hub.build_model", "edgekit.hub.registry"])
    assert {"edgekit/hub/build_model.py", "edgekit/hub/download.py"} <= everything.keys() - less.keys()
    assert "edgekit/hub/model_files.py" in less
