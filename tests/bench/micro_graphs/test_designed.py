import pytest

from edgekit.bench.micro_graphs import designed
from edgekit.bench.micro_graphs.designed import design, micro_graphs
from edgekit.bench.micro_graphs.rounds import PRECISIONS


@pytest.mark.parametrize("precision", PRECISIONS)
def test_names_are_unique_and_every_step_reads_earlier_ones(precision):
    graphs = micro_graphs(precision)
    assert len({graph.name for graph in graphs}) == len(graphs) > 100
    for graph in graphs:
        for position, step in enumerate(graph.steps):
            assert all(index < position for index in step.inputs)
            if step.inputs:
                source = graph.steps[step.inputs[0]]
                assert (step.in_channels, step.input) == (source.channels, source.output)


def test_design_changes_with_any_shape(monkeypatch):
    before = design("float32")
    assert before == design("float32") != design("int8")
    monkeypatch.setattr(designed, "_DENSE", (*designed._DENSE[:-1], (2, 255)))
    assert design("float32") != before
