import pytest
from made_micro_graphs import micro_graph_times

from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.steps import Chain, Step
from edgekit.errors import ArtifactError
from edgekit.fit.cost_model import CostModel, fitted_model, memory_of
from edgekit.fit.fusion import fused
from edgekit.fit.network_memory import peak_memory_bytes
from edgekit.fit.operator_work import network_work
from edgekit.fit.operators import operators_of
from edgekit.hub.model_files import model_path


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_model_of_a_device_whose_times_are_sums_of_work_is_exact(precision):
    """The times of a made device with one price for each amount."""
    graphs = {graph.name: fused(graph.steps, precision=precision) for graph in micro_graphs(precision)}
    works = {name: network_work(steps, precision=precision) for name, steps in graphs.items()}
    amounts = sorted({key for work in works.values() for key in work})
    prices = {key: 0.01 / max(work.get(key, 0.0) or 1 for work in works.values()) for key in amounts}
    times = {name: sum(prices[key] * amount for key, amount in work.items()) for name, work in works.items()}
    model = fitted_model(times, precision=precision)
    assert model.micro_graph_error < 1e-6
    network = fused(
        Chain("pixels", 3, 96)
        .conv(48, kernel=3, stride=2)
        .conv(80)
        .depthwise(kernel=5)
        .mean()
        .linear(7)
        .graph("x")
        .steps,
        precision=precision,
    )
    expected = sum(prices[key] * amount for key, amount in network_work(network, precision=precision).items())
    assert model.latency_ms(network) == pytest.approx(expected, rel=0.05)


def test_error_of_the_micro_graphs_is_reported_and_no_price_is_negative():
    model = fitted_model(micro_graph_times("float32"), precision="float32")
    assert 0 < model.micro_graph_error < 0.3
    assert min(model.milliseconds.values()) == 0
    assert max(model.milliseconds.values()) > 0


def test_operator_without_a_micro_graph_is_refused():
    model = CostModel(precision="int8", milliseconds={"run": 1.0}, micro_graph_error=0.0, reference_ms=1.0)
    step = Step(kind="tanh", inputs=(), in_channels=1, channels=1, input=(2, 2), output=(2, 2))
    with pytest.raises(ArtifactError, match="no micro-graph stands for its tanh calls in int8"):
        model.latency_ms([step])


def test_size_beyond_all_micro_graphs_continues_the_line_of_smaller_ones():
    model = CostModel(
        precision="float32", milliseconds={"run": 1.0, "mul values": 1e-6, "mul calls": 0.0, "mul positions": 0.0},
        micro_graph_error=0.0, reference_ms=1.0,
    )  # fmt: skip
    step = Step(kind="mul", inputs=(), in_channels=512, channels=512, input=(64, 64), output=(64, 64))
    assert model.operator_ms(step) == pytest.approx(512 * 64 * 64 * 1e-6)


def test_memory_of_a_file_is_that_of_its_operators():
    content = model_path("mobilenet_v2-cifar10").read_bytes()
    assert memory_of(content) == peak_memory_bytes(operators_of(content, name="file"))
