"""Give every node a name of its own. Layers are addressed by name, and simplifiers leave some nodes without one.

1. Inspects the nodes in the order of computation.
2. Renames a node that has no name, or the name of an earlier node, to its operator and position: Conv_12.
3. Leaves all other nodes as they are.
"""

from __future__ import annotations

from onnx import ModelProto

from edgekit.graph.edit import copied


def name_nodes(model: ModelProto) -> ModelProto:
    """The model with a unique name for each node."""
    model = copied(model)
    names: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in names:
            node.name = f"{node.op_type}_{number}"
        names.add(node.name)
    return model
