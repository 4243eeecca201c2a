"""Every node has a name of its own."""

from made_networks import conv_network

from edgekit.graph.passes.name_nodes import name_nodes


def test_name_nodes_leaves_unique_names():
    assert name_nodes(conv_network()) == conv_network()


def test_name_nodes_names_the_unnamed_and_the_repeated():
    model = conv_network()
    for node in model.graph.node:
        node.name = "same" if node.op_type == "Conv" else ""
    names = [node.name for node in name_nodes(model).graph.node]
    assert names[:6] == ["Transpose_0", "Cast_1", "Mul_2", "Sub_3", "same", "Clip_5"]
    assert len(set(names)) == len(names)
