"""The whole networks among the micro-graphs: what kinds of blocks they have, and that they weigh more."""

import pytest

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.networks import networks
from edgekit.fit.candidate import Candidate
from edgekit.fit.fusion import fused
from edgekit.fit.layers import Traces


def _graph(name):
    (graph,) = (graph for graph in networks() if graph.name == f"network-{name}")
    return graph


def _count(name, kind):
    return [step.kind for step in _graph(name).steps].count(kind)


def test_networks_are_micro_graphs_that_count_more_than_chains():
    graphs = {graph.name: graph for graph in micro_graphs("int8")}
    found = list(networks())
    assert len(found) > 30
    assert all(graphs[network.name] == network for network in found)
    assert {graph.weight for graph in found} == {6.0}
    assert {graph.weight for name, graph in graphs.items() if not name.startswith("network-")} == {1.0}


def test_networks_read_pixels_and_end_in_classes_in_time():
    for graph in networks():
        assert graph.steps[0].kind == "pixels"
        assert (graph.steps[-1].kind, graph.steps[-1].channels) == ("linear", 10)
        assert 1e6 < sum(step.macs for step in graph.steps) < 2e9


def test_shortcuts_and_gates_are_where_the_families_have_them():
    name = "mobilenet-v2-224-0.35-1-32-relu6"
    assert (_count(name, "add"), _count(name, "mul")) == (10, 0)
    name = "efficientnet-240-0.35-1-32-silu"
    assert (_count(name, "mul"), _count("mobilenet-v1-192-0.25-1-32", "add")) == (16, 0)
    name = "resnet-128-16-16-bottleneck"
    assert (_count(name, "add"), _count(name, "max_pool"), _count("resnet-small-32-16-9", "pad")) == (16, 1, 2)
    sums = [step for step in fused(_graph(name).steps, precision="float32") if step.adds]
    assert len(sums) == 16  # each computed with a convolution


@pytest.mark.parametrize(
    ("name", "network", "changes"),
    [
        ("mobilenet-v2-224-0.35-1-32-relu6", "mobilenet_v2", {"width_mult": 0.35}),
        ("efficientnet-lite-240-0.5-1-32-relu6", "efficientnet_lite0", {"width_mult": 0.5}),
        ("mobilenet-v1-224-0.5-1-32", "mobilenet_v1", {"width_mult": 0.5}),
        ("efficientnet-224-0.5-1-32-relu6", "efficientnet_b0", {"width_mult": 0.5, "activation": "relu6"}),
        ("mobilenet-v3-small-224-0.75-1-32-hard_swish", "mobilenet_v3_small", {"width_mult": 0.75}),
        ("mobilenet-v3-large-192-0.5-1-32-relu6", "mobilenet_v3_large", {"width_mult": 0.5, "activation": "relu6"}),
    ],
)
def test_networks_are_about_as_large_as_those_of_the_zoo(name, network, changes):
    graph, traces = _graph(name), Traces()
    cost = traces.cost(Candidate(network=network, resolution=graph.steps[0].input[0], classes=10, **changes))
    assert sum(step.macs for step in graph.steps) == pytest.approx(cost.macs, rel=0.1)
    assert sum(step.parameters for step in graph.steps) == pytest.approx(cost.parameters, rel=0.15)
