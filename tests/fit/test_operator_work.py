import pytest

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.steps import Chain
from edgekit.fit.fusion import fused
from edgekit.fit.layers import Traces
from edgekit.fit.operator_work import BEYOND, network_work, operator_work
from edgekit.fit.operators import operators
from edgekit.fit.space import candidates
from edgekit.image.size import Size
from edgekit.runtime.targets import TARGETS


def measured_amounts(precision: str) -> set[str]:
    """The amounts that some micro-graph has."""
    works = (
        network_work(fused(graph.steps, precision=precision), precision=precision) for graph in micro_graphs(precision)
    )
    return {name for work in works for name, amount in work.items() if amount}


def test_float32_works_on_whole_blocks_of_channels():
    def work(channels: int) -> dict[str, float]:
        return operator_work(Chain("input", 32, 8).conv(channels).graph("name").steps[1], precision="float32")

    assert work(24) == work(32)
    assert work(48)["products"] == pytest.approx(1.5 * work(32)["products"])
    assert work(64)["product loads"] == work(16)["product loads"]  # four blocks share a load


def test_int8_depthwise_has_another_kernel_for_channels_that_are_no_multiple_of_a_block():
    names = [
        set(operator_work(Chain("input", channels, 8).depthwise().graph("name").steps[1], precision="int8"))
        for channels in (48, 56)
    ]
    assert "depthwise products of 9" in names[0]
    assert "unaligned depthwise products of 9" in names[1]


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_work_grows_with_grid_and_channels(precision):
    def work(side: int, channels: int) -> dict[str, float]:
        chain = Chain("pixels", 3, 2 * side).conv(channels, kernel=3, stride=2).depthwise().mean().linear(10)
        return network_work(chain.graph("name").steps, precision=precision)

    small, larger, wider = work(8, 32), work(16, 32), work(8, 64)
    assert all(larger[name] >= amount and wider[name] >= amount for name, amount in small.items())


@pytest.mark.parametrize(("classes", "side"), [(1000, 256), (10, 32)])
def test_micro_graphs_stand_for_every_amount_of_candidates(classes, side):
    traces, measured = Traces(), {precision: measured_amounts(precision) for precision in ("float32", "int8")}
    for candidate in candidates(classes=classes, image_size=side)[::150]:
        size = Size(candidate.resolution, candidate.resolution)
        for target in ("x86-vnni", "arm64"):
            network = operators(
                traces.layers(candidate), input=size, precision=candidate.precision, target=TARGETS[target]
            )
            work = network_work(network.operators, precision=candidate.precision)
            needed = {name for name, amount in work.items() if amount and BEYOND not in name}
            assert needed <= measured[candidate.precision], candidate.name
