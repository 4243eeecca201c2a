import pytest

from edgekit.bench.micro_graphs.steps import Chain


def test_chain_halves_sizes_upwards_and_links_each_step_to_what_it_reads():
    chain = Chain("input", 16, 7).conv(32, kernel=3, stride=2, activation="relu")
    start = chain.position
    graph = chain.depthwise().conv(32).add(start).mean().linear(10).graph("name")
    assert [step.kind for step in graph.steps] == [
        *("input", "conv", "activation", "conv", "conv", "add", "mean", "linear")
    ]
    assert [step.output for step in graph.steps] == [(7, 7), *[(4, 4)] * 5, (1, 1), (1, 1)]
    assert graph.steps[5].inputs == (4, 2)
    assert graph.steps[3].is_depthwise
    assert not graph.steps[4].is_depthwise


@pytest.mark.parametrize(
    ("chain", "parameters", "macs"),
    [
        (Chain("input", 16, 4).conv(8, kernel=3), 8 * (16 * 9 + 1), 8 * 16 * 9 * 16),
        (Chain("input", 16, 4).depthwise(kernel=5), 16 * (25 + 1), 16 * 25 * 16),
        (Chain("input", 16, 4).mean().linear(10), 10 * (16 + 1), 160),
        (Chain("input", 16, 4).mean(), 0, 0),
    ],
)
def test_parameters_and_macs_of_a_step(chain, parameters, macs):
    last = chain.graph("name").steps[-1]
    assert (last.parameters, last.macs) == (parameters, macs)


def test_gate_multiplies_each_channel_by_a_factor_of_the_means():
    steps = Chain("input", 16, 4).gate(8, inner="relu", outer="sigmoid").graph("name").steps
    assert [step.kind for step in steps] == ["input", "mean", "conv", "activation", "conv", "activation", "mul"]
    assert steps[-1].inputs == (0, 5)
    assert steps[-1].output == (4, 4)


def test_regroup_turns_columns_into_channels_and_pad_takes_every_other_position():
    steps = Chain("pixels", 3, 8).regroup(12).graph("name").steps
    assert (steps[1].channels, steps[1].output) == (12, (8, 2))
    padded = Chain("input", 4, 7).pad(8).graph("name").steps[-1]
    assert (padded.channels, padded.output, padded.inputs) == (8, (4, 4), (0,))
