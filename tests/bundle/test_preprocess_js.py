"""preprocess.js, the port of `Preprocess` to JavaScript: byte for byte the pixels of Python."""

import json
import subprocess
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import settings
from made_javascript import SCRIPTS, node
from made_preprocess import random_cases
from PIL import Image

from edgekit import Preprocess
from edgekit.bundle.description import every_field
from edgekit.image.color_modes import to_color

MODULES = files("edgekit.bundle") / "web" / "js"
COUNT = 6000 if settings.get_current_profile_name() == "long" else 300


def test_preprocess_js_equals_python_byte_for_byte(tmp_path):
    cases = random_cases(COUNT)
    described = [
        {"height": image.shape[0], "width": image.shape[1], "spec": every_field(spec)} for spec, image in cases
    ]
    (tmp_path / "cases.json").write_text(json.dumps(described))
    (tmp_path / "pixels.bin").write_bytes(b"".join(image.tobytes() for _, image in cases))
    command = [node(), SCRIPTS / "preprocess_all.mjs", MODULES, tmp_path / "cases.json", tmp_path / "pixels.bin"]
    crops = np.frombuffer(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout, np.uint8)
    for spec, image in cases:
        expected = spec.pixels(Image.fromarray(image)).ravel()
        crop, crops = crops[: expected.size], crops[expected.size :]
        assert np.array_equal(crop, expected), (image.shape, spec)
    assert crops.size == 0


def run_module(code: str) -> str:
    """Print what an expression of preprocess.js returns."""
    program = f"import * as module from '{MODULES}/preprocess.js'; console.log(JSON.stringify({code}));"
    done = subprocess.run([node(), "--input-type=module", "-e", program], capture_output=True, text=True)
    return done.stdout or done.stderr


@pytest.mark.parametrize("color", ["RGB", "L"])
def test_pixels_from_rgba_composites_transparency_as_python_does(color):
    values = np.arange(256, dtype=np.uint8)
    rgba = np.stack([*np.meshgrid(values, values), *np.meshgrid(values[::-1], values)[:1]], axis=-1)[:, :, [0, 2, 1, 1]]
    rgba[..., 3] = values[:, None]
    expected = np.asarray(to_color(Image.fromarray(rgba), color))
    code = f"Array.from(module.pixelsFromRgba(Uint8Array.from({rgba.ravel().tolist()}), {{color: '{color}'}}))"
    program = f"import * as module from '{MODULES}/preprocess.js'; console.log(JSON.stringify({code}));"
    done = subprocess.run([node(), "--input-type=module"], input=program, capture_output=True, text=True, check=True)
    assert np.array_equal(np.array(json.loads(done.stdout), np.uint8), expected.ravel())


def test_preprocess_js_refuses_what_it_cannot_compute():
    spec = every_field(Preprocess(resampler="tensorflow", interpolation="lanczos", resize=8, crop=8))
    error = run_module(f"module.preprocess(new Uint8Array(300), 10, 10, {json.dumps(spec)})")
    assert "Error: interpolation lanczos of resampler tensorflow has no port" in error
    error = run_module(f"module.preprocess(new Uint8Array(299), 10, 10, {json.dumps(spec)})")
    assert "Error: an image of 10x10 in RGB has 300 bytes, not 299" in error
