"""Accept images as transformers.js passes them: float32 (batch, channels, height, width) named `pixel_values`.

Its image processor resizes and crops in JavaScript, and with `do_rescale` and `do_normalize` off it passes the levels
0..255 of an RGB image as floats. An edgekit model accepts uint8 (batch, height, width, channels).

1. Declares the input `pixel_values`, float32 (batch, 3, height, width), in the place of the graph's input `pixels`.
2. Computes `pixels` from it by Round, Cast to uint8 and Transpose. A level is the same before and after, so the logits
   do not change.
3. For a gray network, Conv and Floor lie between Round and Cast: they compute (19595 R + 38470 G + 7471 B + 32768) //
   65536, Pillow's gray. The products stay below 2^24 and are divided by a power of two, so float32 is exact.
4. Renames another tensor that is called `pixel_values`. All other nodes stay as they are.
"""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, TensorProto, helper

from edgekit.graph.edit import add_constant, clear_name, copied, free_name, insert_node
from edgekit.graph.index import Graph

PIXEL_VALUES = "pixel_values"
_GRAY_WEIGHTS = (19595, 38470, 7471)  # of Pillow's convert("L"), divided by 2^16


def accept_pixel_values(model: ModelProto) -> ModelProto:
    """Put the nodes in front of the network; see the rules above.

    Args:
        model: network with one input, uint8 (batch, height, width, channels) with 1 or 3 channels; not changed.

    Returns:
        The model with the input `pixel_values`.
    """
    graph = Graph(copied(model))
    clear_name(graph, PIXEL_VALUES)
    pixels = graph.proto.input[0]
    name, axes = pixels.name, [axis.dim_param or axis.dim_value for axis in pixels.type.tensor_type.shape.dim]
    batch, height, width, channels = axes
    pixels.CopyFrom(helper.make_tensor_value_info(PIXEL_VALUES, TensorProto.FLOAT, [batch, 3, height, width]))
    nodes = [helper.make_node("Round", [], [])]
    if channels == 1:
        weights, half = np.array(_GRAY_WEIGHTS, np.float32).reshape(1, 3, 1, 1) / 2**16, np.array([0.5], np.float32)
        constants = [add_constant(graph, "gray_weights", weights), add_constant(graph, "gray_half", half)]
        nodes += [helper.make_node("Conv", constants, [], kernel_shape=[1, 1]), helper.make_node("Floor", [], [])]
    nodes.append(helper.make_node("Cast", [], [], to=TensorProto.UINT8))
    nodes.append(helper.make_node("Transpose", [], [], perm=[0, 2, 3, 1]))
    source = PIXEL_VALUES  # each node reads what the one before it computes, then its constants
    for position, node in enumerate(nodes):
        target = name if position == len(nodes) - 1 else free_name(graph, f"{PIXEL_VALUES}_{node.op_type}")
        node.input[:], node.output[:] = [source, *node.input], [target]
        insert_node(graph, position, node)
        source = target
    return graph.model
