"""correct_bias: restores the mean output that rounding the weights shifts."""

import numpy as np
import onnx
from made_networks import IMAGES, conv_network

from edgekit.graph.edit import copied, set_constant
from edgekit.graph.index import Graph
from edgekit.quantize.calibrate import ActivationSession, activation_statistics
from edgekit.quantize.passes.correct_bias import correct_bias
from edgekit.quantize.passes.insert_qdq import quantized_tensors
from edgekit.quantize.weight_format import WeightFormat, dequantized_weights


def test_correct_bias_restores_the_mean_output():
    model, coarse = conv_network(), WeightFormat(per_channel=False)
    graph = Graph(model)
    layer = graph.producer("project")
    values = np.array(graph.constant("project.w"))
    values[0, 0] = 40 * np.abs(values).max()  # leaves few levels to the other weights
    set_constant(graph, "project.w", values)
    statistics = activation_statistics(model, quantized_tensors(model), images=IMAGES)

    def mean_output(rounded: onnx.ModelProto) -> np.ndarray:
        session = ActivationSession(rounded, ["project"])
        return np.mean([session.run(pixels)["project"].mean(axis=(0, 2, 3)) for pixels in IMAGES], axis=0)

    expected, errors = mean_output(model), []
    corrected = correct_bias(model, statistics=statistics, weight_format=coarse)
    for bias in (graph.constant("project.b"), Graph(corrected).constant("project_corrected_bias")):
        rounded = Graph(copied(model))
        set_constant(rounded, "project.w", dequantized_weights(layer, values, weight_format=coarse))
        set_constant(rounded, "project.b", bias)
        errors.append(np.abs(mean_output(rounded.model) - expected).max())
    assert errors[1] < errors[0] / 100


def test_correct_bias_leaves_float_nodes():
    model, coarse = conv_network(), WeightFormat(per_channel=False)
    statistics = activation_statistics(model, quantized_tensors(model), images=IMAGES)
    layers = ["stem", "project"]
    corrected = correct_bias(model, statistics=statistics, weight_format=coarse, float_nodes=layers)
    names = {tensor.name for tensor in corrected.graph.initializer}
    assert {name for name in names if name.endswith("_corrected_bias")} == {
        f"{layer}_corrected_bias" for layer in ("expand", "depthwise", "logits")
    }
