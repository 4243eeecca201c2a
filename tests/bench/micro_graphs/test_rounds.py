import pytest

from edgekit.bench.micro_graphs import rounds
from edgekit.bench.micro_graphs.designed import micro_graphs
from edgekit.bench.micro_graphs.rounds import (
    PASSES,
    PRECISIONS,
    REFERENCE,
    measure_micro_graphs,
    measure_pass,
    open_micro_graph,
    reference_times,
)
from edgekit.bench.micro_graphs.steps import Chain

_SMALL = Chain("input", 16, 4).conv(16).mean().graph("small")
_LARGE = Chain("input", 64, 56).conv(64, kernel=3).conv(64, kernel=3).mean().graph("large")


@pytest.fixture
def clocked(monkeypatch):
    """A function that replaces the clock: what a run of the reference takes, and of others, one after the other."""

    def replace(reference, *others):
        references, times = iter(reference), iter(others)
        monkeypatch.setattr(rounds, "_reference_runner", lambda *_: "reference")
        monkeypatch.setattr(rounds, "_milliseconds", lambda run: next(references if run == "reference" else times))

    return replace


@pytest.mark.parametrize("precision", PRECISIONS)
def test_larger_micro_graph_takes_longer(precision):
    done = []
    (times,) = measure_pass(
        [_SMALL, _LARGE],
        precision=precision,
        threads=1,
        reference_ms=1.0,
        seconds=0.001,
        on_graph=lambda: done.append(1),
    )
    assert 0 < 3 * times["small"] < times["large"]
    assert len(done) == 2


def test_median_of_all_passes_counts(monkeypatch):
    passes = {
        "float32": [{"small": 3.0, "large": 5.0}, {"small": 9.0, "large": 4.0}, {"small": 2.0, "large": 6.0}],
        "int8": [{"small": 1.0, "large": 2.0}] * 3,
    }
    left = {precision: iter(times) for precision, times in passes.items()}
    monkeypatch.setattr(rounds, "reference_times", lambda threads: {"float32": 2.5, "int8": 1.5})

    def measured(graphs, *, precision, threads, reference_ms, on_graph):
        assert reference_ms == {"float32": 2.5, "int8": 1.5}[precision]
        times = next(left[precision])
        return [{"small": times["small"]}, {"large": times["large"]}]

    monkeypatch.setattr(rounds, "measure_pass", measured)
    assert PASSES == 3
    assert measure_micro_graphs(1) == {"float32": {"small": 3.0, "large": 5.0}, "int8": {"small": 1.0, "large": 2.0}}


def test_shortest_run_of_a_micro_graph_counts(clocked):
    clocked([2.0] * 20, *[3.0, 4.0, 5.0], *[6.0] * 5, 2.0)
    times = measure_pass([_SMALL], precision="float32", threads=1, reference_ms=2.0, seconds=1e-9)
    assert list(times) == [{"small": 2.0}]


def test_times_are_those_at_the_speed_at_which_the_reference_was_measured_first(clocked):
    clocked([4.0] * 20, *[3.0] * 20)  # the machine has become half as fast
    times = measure_pass([_SMALL], precision="float32", threads=1, reference_ms=2.0, seconds=1e-9)
    assert list(times) == [{"small": 1.5}]


def test_reference_is_timed_in_both_precisions(clocked):
    clocked([5.0, 3.0, 4.0, 2.0, *[9.0] * 1000])
    assert reference_times(1) == {"float32": 4.0, "int8": 2.0}
    assert all(REFERENCE in {graph.name for graph in micro_graphs(precision)} for precision in PRECISIONS)


def test_groups_are_yielded_as_soon_as_they_are_measured(monkeypatch):
    monkeypatch.setattr(rounds, "_GROUP", 1)
    measured = measure_pass([_SMALL, _LARGE], precision="float32", threads=1, reference_ms=1.0, seconds=1e-9)
    assert list(next(measured)) == ["small"]


def test_session_has_the_threads_that_were_asked_for():
    session, feed = open_micro_graph(_SMALL, "int8", 2)
    assert session.get_session_options().intra_op_num_threads == 2
    assert list(feed) == ["source"]
