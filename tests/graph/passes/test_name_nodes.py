"""name_nodes: every node gets a unique name."""

from made_networks import conv_network

from edgekit.graph.passes.name_nodes import name_nodes


def test_name_nodes_leaves_unique_names():
    assert name_nodes(conv_network()) == conv_network()


def test_name_nodes_renames_unnamed_and_repeated_nodes():
    model = conv_network()
    for node in model.graph.node:
        node.name = "same" if node.op_type == "Conv" else ""
    names = [node.name for node in name_nodes(model).graph.node]
    assert names[:6] == ["Transpose_0", "Cast_1", "Mul_2", "Sub_3", "same", "Clip_5"]
    assert len(set(names)) == len(names)
