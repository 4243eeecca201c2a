"""Declare how many images a model accepts at a time.

1. Inspects the first axis of each input and output.
2. Replaces it by the number, or by the name "batch" for any number.
3. Leaves the nodes as they are: a Reshape to a fixed number of rows still gives that number.
"""

from __future__ import annotations

from onnx import ModelProto

from edgekit.graph.edit import copied

BATCH = "batch"


def set_batch(model: ModelProto, *, batch: int | None) -> ModelProto:
    """The model for `batch` images at a time, or for any number if None."""
    model = copied(model)
    for value in (*model.graph.input, *model.graph.output):
        axis = value.type.tensor_type.shape.dim[0]
        axis.Clear()
        if batch is None:
            axis.dim_param = BATCH
        else:
            axis.dim_value = batch
    return model
