"""What is done to the float network before its weights are rounded: equalization, bias correction; and sensitivity."""

import numpy as np
import onnx
import pytest
from made_networks import PICTURES, conv_network, logits, minmax, noise
from onnx import numpy_helper

from edgekit.graph.index import Graph, copied
from edgekit.quantize.calibrate import Probe, measure
from edgekit.quantize.passes.correct_bias import corrected
from edgekit.quantize.passes.equalize import equalized, pairs
from edgekit.quantize.qdq import Scheme, dequantized, quantized, quantized_tensors
from edgekit.quantize.sensitivity import divergence, sensitivities


def with_uneven_channels(model: onnx.ModelProto) -> onnx.ModelProto:
    """The channels of the first convolution and what the depthwise one makes of them, scaled apart."""
    graph = Graph(model)
    factors = np.logspace(-3, 0, 16).astype(np.float32)
    graph.put("expand.w", np.asarray(graph.constant("expand.w")) * factors[:, None, None, None])
    graph.put("expand.b", np.asarray(graph.constant("expand.b")) * factors)
    graph.put("depthwise.w", np.asarray(graph.constant("depthwise.w")) / factors[:, None, None, None])
    return graph.model


def weights(model: onnx.ModelProto, name: str) -> np.ndarray:
    return next(numpy_helper.to_array(t) for t in model.graph.initializer if t.name == name)


def unevenness(model: onnx.ModelProto, name: str) -> float:
    """The largest over the smallest range of an output channel."""
    largest = np.abs(weights(model, name)).max(axis=(1, 2, 3))
    return float(largest.max() / largest.min())


@pytest.mark.parametrize("activation", ["Relu", "Relu6"])
def test_equalization_evens_the_channels_and_changes_no_answer(activation):
    model = with_uneven_channels(conv_network(activation=activation))
    even = equalized(model, measure(model, quantized_tensors(model), PICTURES))
    np.testing.assert_allclose(logits(even), logits(model), rtol=1e-3, atol=1e-3)
    assert unevenness(even, "expand.w") < unevenness(model, "expand.w") / 2


def test_equalization_repairs_what_one_scale_breaks():
    model, coarse = with_uneven_channels(conv_network(activation="Relu")), Scheme(per_channel=False)
    even = equalized(model, measure(model, quantized_tensors(model), PICTURES))
    errors = [np.abs(logits(quantized(m, minmax(m), coarse)) - logits(model)).max() for m in (model, even)]
    assert errors[1] < errors[0] / 5


def test_channels_at_the_ceiling_keep_their_scale():
    graph = Graph(conv_network())
    graph.put("expand.w", 2 * np.asarray(graph.constant("expand.w")))
    model = graph.model
    seen = measure(model, quantized_tensors(model), PICTURES)
    at_ceiling = seen["expand_relu6"].channel_highest >= 6
    assert 0 < at_ceiling.sum() < len(at_ceiling)
    even = equalized(model, seen)
    found = measure(even, quantized_tensors(even), PICTURES)["expand_relu6"].channel_highest
    assert (found[at_ceiling] == 6).all()
    assert (found[~at_ceiling] < 6).all()


def test_pairs_end_where_a_tensor_has_several_takers():
    found = [(pair.first.name, pair.second.name) for pair in pairs(Graph(conv_network()))]
    assert found == [("expand", "depthwise"), ("depthwise", "project")]


def test_bias_correction_restores_the_mean_output():
    model, coarse = conv_network(), Scheme(per_channel=False)
    graph = Graph(model)
    layer = graph.makers["project"]
    values = np.array(graph.constant("project.w"))
    values[0, 0] = 40 * np.abs(values).max()  # the others keep few levels
    graph.put("project.w", values)
    seen = measure(model, quantized_tensors(model), PICTURES)

    def means(rounded: onnx.ModelProto) -> np.ndarray:
        probe = Probe(rounded, ["project"])
        return np.mean([probe.run(p)["project"].mean(axis=(0, 2, 3)) for p in PICTURES], axis=0)

    expected, errors = means(model), []
    for bias in (weights(model, "project.b"), weights(corrected(model, seen, coarse), "project_corrected_bias")):
        changed = Graph(copied(model))
        changed.put("project.w", dequantized(layer, values, coarse))
        changed.put("project.b", bias)
        errors.append(np.abs(means(changed.model) - expected).max())
    assert errors[1] < errors[0] / 100


def test_the_layer_that_suffers_most_comes_first():
    model = conv_network()
    graph = Graph(model)
    values = np.array(graph.constant("depthwise.w"))
    values[0] *= 400
    graph.put("depthwise.w", values)
    found = sensitivities(model, minmax(model), Scheme(per_channel=False), noise(6))
    assert next(iter(found)) == "depthwise"
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert set(found) == {"stem", "expand", "depthwise", "project", "logits"}


def test_divergence_is_that_of_its_definition():
    first, second = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.5, 0.25]])
    assert divergence(first, second) == pytest.approx(0.5 * np.log(2) + 0.25 * np.log(0.5))
    assert divergence(first, first + 3) == pytest.approx(0, abs=1e-12)


def test_layers_that_stay_in_float_keep_their_bias():
    model, coarse = conv_network(), Scheme(per_channel=False)
    seen = measure(model, quantized_tensors(model), PICTURES)
    found = {tensor.name for tensor in corrected(model, seen, coarse, kept=["stem", "project"]).graph.initializer}
    assert {name for name in found if name.endswith("_corrected_bias")} == {
        f"{layer}_corrected_bias" for layer in ("expand", "depthwise", "logits")
    }
