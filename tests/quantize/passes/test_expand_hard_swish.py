"""expand_hard_swish: the same outputs, from operators that insert_qdq can compute in integers."""

from collections import Counter

import numpy as np
import pytest
from made_networks import conv_network, logits

from edgekit.quantize.passes.expand_hard_swish import expand_hard_swish


def test_expand_hard_swish_computes_the_same():
    model = conv_network(activation="HardSwish")
    expanded = expand_hard_swish(model)
    np.testing.assert_allclose(logits(expanded), logits(model), rtol=1e-4, atol=1e-5)
    before, after = (Counter(node.op_type for node in each.graph.node) for each in (model, expanded))
    assert before["HardSwish"] == 3
    assert (after["HardSwish"], after["HardSigmoid"], after["Mul"]) == (0, 3, 3 + before["Mul"])


@pytest.mark.parametrize("activation", ["Relu", "Relu6", "HardSigmoid"])
def test_expand_hard_swish_leaves_other_activations(activation):
    model = conv_network(activation=activation)
    assert list(expand_hard_swish(model).graph.node) == list(model.graph.node)


def test_expand_hard_swish_does_not_change_its_model():
    model = conv_network(activation="HardSwish")
    before = model.SerializeToString(deterministic=True)
    expand_hard_swish(model)
    assert model.SerializeToString(deterministic=True) == before
