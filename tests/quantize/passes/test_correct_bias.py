"""Corrected biases restore the mean output that rounded weights move."""

import numpy as np
import onnx
from made_networks import IMAGES, conv_network

from edgekit.graph.edit import copied, set_constant
from edgekit.graph.index import Graph
from edgekit.quantize.calibrate import ActivationSession, activation_statistics
from edgekit.quantize.passes.correct_bias import correct_bias
from edgekit.quantize.passes.insert_qdq import quantized_tensors
from edgekit.quantize.weight_format import WeightFormat, dequantized_weights


def test_bias_correction_restores_the_mean_output():
    model, coarse = conv_network(), WeightFormat(per_channel=False)
    graph = Graph(model)
    layer = graph.producer("project")
    values = np.array(graph.constant("project.w"))
    values[0, 0] = 40 * np.abs(values).max()  # the others keep few levels
    set_constant(graph, "project.w", values)
    statistics = activation_statistics(model, quantized_tensors(model), images=IMAGES)

    def means(rounded: onnx.ModelProto) -> np.ndarray:
        session = ActivationSession(rounded, ["project"])
        return np.mean([session.run(p)["project"].mean(axis=(0, 2, 3)) for p in IMAGES], axis=0)

    expected, errors = means(model), []
    corrected = correct_bias(model, statistics=statistics, weight_format=coarse)
    for bias in (graph.constant("project.b"), Graph(corrected).constant("project_corrected_bias")):
        changed = Graph(copied(model))
        set_constant(changed, "project.w", dequantized_weights(layer, values, weight_format=coarse))
        set_constant(changed, "project.b", bias)
        errors.append(np.abs(means(changed.model) - expected).max())
    assert errors[1] < errors[0] / 100


def test_layers_that_stay_in_float_keep_their_bias():
    model, coarse = conv_network(), WeightFormat(per_channel=False)
    statistics = activation_statistics(model, quantized_tensors(model), images=IMAGES)
    layers = ["stem", "project"]
    corrected = correct_bias(model, statistics=statistics, weight_format=coarse, float_nodes=layers)
    names = {tensor.name for tensor in corrected.graph.initializer}
    assert {name for name in names if name.endswith("_corrected_bias")} == {
        f"{layer}_corrected_bias" for layer in ("expand", "depthwise", "logits")
    }
