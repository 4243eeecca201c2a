"""Which layer suffers most from integers, by the divergence of the probabilities."""

import numpy as np
from made_networks import conv_network, minmax, noise

from edgekit.graph.edit import set_constant
from edgekit.graph.index import Graph
from edgekit.quantize.sensitivity import layer_sensitivities
from edgekit.quantize.weight_format import WeightFormat


def test_the_layer_that_suffers_most_comes_first():
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
