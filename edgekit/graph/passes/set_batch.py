"""Declare the batch size of a model.

1. Inspects the first axis of each input and output.
2. Sets it to the batch size, or to the name "batch" for a dynamic one.
3. Leaves the nodes unchanged: a Reshape to a fixed number of rows still produces that number.
"""

from __future__ import annotations

from onnx import ModelProto

from edgekit.graph.edit import copied

BATCH = "batch"


def set_batch(model: ModelProto, *, batch: int | None) -> ModelProto:
    """Set the batch size; see the rules above.

    Args:
        model: any ONNX model; not changed.
        batch: number of images per run; None for a dynamic batch size.

    Returns:
        The model with that batch size declared.
    """
    model = copied(model)
    for value in (*model.graph.input, *model.graph.output):
        axis = value.type.tensor_type.shape.dim[0]
        axis.Clear()
        if batch is None:
            axis.dim_param = BATCH
        else:
            axis.dim_value = batch
    return model
