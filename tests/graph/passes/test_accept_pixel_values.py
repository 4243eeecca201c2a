"""accept_pixel_values: the input of transformers.js in front of a network."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made_networks import conv_network, noise
from PIL import Image

from edgekit.artifact.info import read_model
from edgekit.graph.edit import copied
from edgekit.graph.passes.accept_pixel_values import PIXEL_VALUES, accept_pixel_values
from edgekit.hub.built_in import built_in_models
from edgekit.runtime.classifier import Classifier

IMAGES = np.concatenate(noise(12))


def run(model: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(model.SerializeToString()).run(["logits"], inputs)[0]


def planes(images: np.ndarray) -> np.ndarray:
    """Images as transformers.js passes them."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)


def test_accept_pixel_values_declares_the_input_of_transformers_js():
    (declared,) = accept_pixel_values(conv_network()).graph.input
    axes = [axis.dim_param or axis.dim_value for axis in declared.type.tensor_type.shape.dim]
    assert (declared.name, declared.type.tensor_type.elem_type) == (PIXEL_VALUES, onnx.TensorProto.FLOAT)
    assert axes == ["batch", 3, 16, 16]


def test_accept_pixel_values_computes_the_same_logits():
    model = conv_network()
    changed = accept_pixel_values(model)
    onnx.checker.check_model(changed)
    np.testing.assert_array_equal(run(changed, pixel_values=planes(IMAGES)), run(model, pixels=IMAGES))


def test_accept_pixel_values_rounds_levels_that_are_not_quite_integers():
    model = conv_network()
    near = planes(IMAGES) + np.float32(0.25)
    np.testing.assert_array_equal(run(accept_pixel_values(model), pixel_values=near), run(model, pixels=IMAGES))


@pytest.mark.parametrize("name", ["lenet5-mnist", "lenet5-mnist-int8"])
def test_accept_pixel_values_computes_the_gray_of_pillow(name):
    path = built_in_models()[name]
    colors = np.random.default_rng(0).integers(0, 256, (64, 32, 32, 3), np.uint8)
    colors[0], colors[1, :16] = 255, 0
    gray = np.stack([np.asarray(Image.fromarray(image).convert("L"))[..., None] for image in colors])
    changed = accept_pixel_values(onnx.load_from_string(read_model(path)))
    onnx.checker.check_model(changed)
    changed.graph.output.append(onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, None))
    pixels, logits = ort.InferenceSession(changed.SerializeToString()).run(
        ["pixels", "logits"], {PIXEL_VALUES: planes(colors)}
    )
    np.testing.assert_array_equal(pixels, gray)
    np.testing.assert_array_equal(logits, Classifier(path).logits(gray))


def test_accept_pixel_values_renames_a_tensor_of_that_name():
    model = conv_network()
    taken = copied(model)
    for node in taken.graph.node:
        for names in (node.input, node.output):
            names[:] = [PIXEL_VALUES if name == "planes" else name for name in names]
    logits = run(accept_pixel_values(taken), pixel_values=planes(IMAGES))
    np.testing.assert_array_equal(logits, run(model, pixels=IMAGES))
