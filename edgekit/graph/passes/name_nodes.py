"""Give every node a unique name. Layers are addressed by name, and simplifiers leave some nodes without one.

1. Inspects the nodes in topological order.
2. Renames a node without a name, or with the name of an earlier node, to its operator and position, e.g. Conv_12.
3. Leaves all other nodes unchanged.
"""

from __future__ import annotations

from onnx import ModelProto

from edgekit.graph.edit import copied


def name_nodes(model: ModelProto) -> ModelProto:
    """Name the nodes; see the rules above.

    Args:
        model: any ONNX model; not changed.

    Returns:
        The model with a unique name for each node.
    """
    model = copied(model)
    names: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in names:
            node.name = f"{node.op_type}_{number}"
        names.add(node.name)
    return model
