"""The sensitivity of layers to quantization."""

import numpy as np
from made_networks import conv_network, minmax, noise

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph
from edgekit.quantize.sensitivity import layer_sensitivities
from edgekit.quantize.weight_format import WeightFormat


def test_layer_sensitivities_list_the_most_sensitive_layer_first():
    model = conv_network()
    graph = Graph(model)
    values = np.array(graph.constant("depthwise.w"))
    values[0] *= 400
    set_constant(graph, "depthwise.w", values)
    coarse = WeightFormat(per_channel=False)
    sensitivities = layer_sensitivities(model, ranges=minmax(model), weight_format=coarse, images=noise(6))
    assert next(iter(sensitivities)) == "depthwise"
    assert list(sensitivities.values()) == sorted(sensitivities.values(), reverse=True)
    assert set(sensitivities) == {"stem", "expand", "depthwise", "project", "logits"}
