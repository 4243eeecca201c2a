"""The input: layouts that only a convolution reveals, open dimensions, float16 and uint8."""

import numpy as np
import pytest
from made_plain import LABELS, SIZE, float16_model, plain_model, uint8_model
from onnx import helper

from edgekit import Classifier, Preprocess
from edgekit.errors import SpecError
from edgekit.export.adopt import adopt
from edgekit.export.third_party import read_third_party

PREPROCESS = Preprocess(resize=14, crop=SIZE, mean=0.5, std=0.25)
PIXELS = np.random.default_rng(0).integers(0, 256, (3, *SIZE, 3), np.uint8)

pytestmark = pytest.mark.usefixtures("unsimplified")


def saved(folder, model):
    path = folder / "third-party.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def opened(model, axes, *, value=None):
    """Open axes of the input: without a value as by torch, or with one, as Paddle writes -1."""
    for axis in axes:
        dim = model.graph.input[0].type.tensor_type.shape.dim[axis]
        dim.Clear()
        if value is not None:
            dim.dim_value = value
    return model


def adopted_logits(folder, model, **options):
    source, path = read_third_party(saved(folder, model)), folder / "new.onnx"
    adoption = adopt(source, path, **{"preprocess": PREPROCESS, "labels": LABELS, **options})
    return adoption, Classifier(path).logits(PIXELS)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize(("axes", "value"), [((0, 1, 2, 3), None), ((0, 1, 2, 3), -1), ((1, 2, 3), 0), ((0, 2), -1)])
def test_adopt_infers_the_layout_of_open_axes_from_the_first_convolution(layout, axes, value, tmp_path):
    _, expected = adopted_logits(tmp_path, plain_model(layout=layout))
    adoption, logits = adopted_logits(tmp_path, opened(plain_model(layout=layout), axes, value=value))
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    assert adoption.batch is None
    inferred = f"layout {layout} with 3 channels, inferred from the first convolution"
    assert any(note.startswith(inferred) for note in adoption.notes) == ({1, 3} <= set(axes))
    assert any("dimensions below 1 are open" in note for note in adoption.notes) == (value is not None)


def test_read_third_party_detects_the_layout_or_asks_for_it(tmp_path):
    assert read_third_party(saved(tmp_path, plain_model(layout="nhwc"))).layout == "nhwc"
    with pytest.raises(SpecError, match=r"`layout` must be nhwc for input \(\?, 12, 14, 3\) \(got nchw\)"):
        read_third_party(tmp_path / "third-party.onnx", layout="nchw")
    for layout, axes in (("nchw", (2, 3)), ("nhwc", (1, 2))):  # a fixed channel axis decides
        assert read_third_party(saved(tmp_path, opened(plain_model(layout=layout), axes))).layout == layout
    without_convolution = opened(plain_model(), range(4))
    without_convolution.graph.node.insert(0, helper.make_node("Relu", ["input"], ["positive"]))
    without_convolution.graph.node[1].input[0] = "positive"
    path = saved(tmp_path, without_convolution)
    with pytest.raises(SpecError, match=r"third-party\.onnx: input .* may be nchw or nhwc; set `layout`"):
        read_third_party(path)
    model = read_third_party(path, layout="nchw")
    assert (model.layout, model.size, model.channels) == ("nchw", None, None)
    with pytest.raises(SpecError, match="unknown layout 'chwn'"):
        read_third_party(path, layout="chwn")


@pytest.mark.parametrize("end", ["logits", "softmax", "sigmoid", "exp"])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_adopt_converts_float16_inputs_and_outputs(layout, end, tmp_path):
    _, expected = adopted_logits(tmp_path, plain_model(layout=layout, end=end))
    adoption, logits = adopted_logits(tmp_path, float16_model(layout=layout, end=end))
    assert adoption.info.precision == "float16"
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=0.02)


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("bgr", [False, True])
def test_adopt_passes_pixels_unchanged_to_a_model_that_normalizes_them(layout, bgr, tmp_path):
    _, expected = adopted_logits(tmp_path, plain_model(layout=layout), bgr=bgr)
    raw = Preprocess(resize=14, crop=SIZE, mean=0.0, std=1 / 255)
    adoption, logits = adopted_logits(tmp_path, uint8_model(layout=layout), preprocess=raw, bgr=bgr)
    np.testing.assert_allclose(logits, expected, atol=1e-5)
    assert adoption.parity.relative_difference < 1e-5
    with pytest.raises(SpecError, match=r"normalizes uint8 pixels itself, so `mean` must be 0 and `std` 1/255 \(got"):
        adopted_logits(tmp_path, uint8_model(layout=layout))
