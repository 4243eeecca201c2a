"""divide_logits: the temperature inside the graph."""

import numpy as np
import onnx
from made_networks import conv_network, logits

from edgekit.graph.passes.divide_logits import divide_logits

TEMPERATURE = 1.7


def test_divide_logits_divides_them():
    model = conv_network()
    divided = divide_logits(model, temperature=TEMPERATURE)
    onnx.checker.check_model(divided)
    np.testing.assert_array_equal(logits(divided), logits(model) / np.float32(TEMPERATURE))


def test_divide_logits_keeps_the_name_of_the_output():
    (output,) = divide_logits(conv_network(), temperature=TEMPERATURE).graph.output
    assert output.name == "logits"


def test_divide_logits_only_appends_a_node():
    model = conv_network()
    kinds = [node.op_type for node in divide_logits(model, temperature=TEMPERATURE).graph.node]
    assert kinds == [*(node.op_type for node in model.graph.node), "Div"]
