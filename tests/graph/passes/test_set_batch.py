"""set_batch: the declared batch size of inputs and outputs."""

import pytest
from made_networks import conv_network

from edgekit.graph.passes.set_batch import set_batch


@pytest.mark.parametrize(("batch", "declared"), [(1, 1), (4, 4), (None, "batch")])
def test_set_batch_declares_the_batch_of_inputs_and_outputs(batch, declared):
    graph = set_batch(set_batch(conv_network(), batch=2), batch=batch).graph
    axes = [value.type.tensor_type.shape.dim[0] for value in (*graph.input, *graph.output)]
    assert [axis.dim_value or axis.dim_param for axis in axes] == [declared, declared]
