"""The whole networks among the micro-graphs: what kinds of blocks they have, and that they weigh more."""

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.small_networks import small_networks
from edgekit.fit.fusion import fused


def _kinds(name):
    (graph,) = (graph for graph in small_networks() if graph.name == f"network-{name}")
    return [step.kind for step in graph.steps], graph


def test_networks_are_micro_graphs_that_count_more_than_chains():
    graphs = {graph.name: graph for graph in micro_graphs("int8")}
    networks = list(small_networks())
    assert len(networks) > 10
    assert all(graphs[network.name] == network for network in networks)
    assert {graph.weight for graph in networks} == {3.0}
    assert {graph.weight for name, graph in graphs.items() if not name.startswith("network-")} == {1.0}


def test_networks_are_small_and_end_in_classes():
    for graph in small_networks():
        assert graph.steps[0].kind == "pixels"
        assert (graph.steps[-1].kind, graph.steps[-1].channels) == ("linear", 10)
        assert 1e6 < sum(step.macs for step in graph.steps) < 5e8


def test_shortcuts_and_gates_are_where_the_families_have_them():
    kinds, _ = _kinds("inverted-160")
    assert (kinds.count("add"), kinds.count("mul")) == (5, 0)
    kinds, _ = _kinds("gated-160")
    assert (kinds.count("add"), kinds.count("mul")) == (5, 10)
    assert "add" not in _kinds("separable-128")[0]
    kinds, graph = _kinds("bottleneck-128")
    assert (kinds.count("add"), kinds.count("max_pool")) == (8, 1)
    sums = [step for step in fused(graph.steps, precision="float32") if step.adds]
    assert len(sums) == 8  # each computed with a convolution
