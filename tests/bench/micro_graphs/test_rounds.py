import pytest

from edgekit.bench.micro_graphs import rounds
from edgekit.bench.micro_graphs.rounds import PASSES, PRECISIONS, measure_micro_graphs, measure_pass, open_micro_graph
from edgekit.bench.micro_graphs.steps import Chain

_SMALL = Chain("input", 16, 4).conv(16).mean().graph("small")
_LARGE = Chain("input", 64, 56).conv(64, kernel=3).conv(64, kernel=3).mean().graph("large")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_larger_micro_graph_takes_longer(precision):
    done = []
    (times,) = measure_pass(
        [_SMALL, _LARGE], precision=precision, threads=1, seconds=0.001, on_graph=lambda: done.append(1)
    )
    assert 0 < 3 * times["small"] < times["large"]
    assert len(done) == 2


def test_shortest_time_of_all_passes_counts(monkeypatch):
    passes = iter([[{"small": 3.0}, {"large": 5.0}], [{"small": 4.0}, {"large": 2.0}]])
    monkeypatch.setattr(rounds, "measure_pass", lambda graphs, **settings: next(passes))
    assert PASSES == 2
    assert measure_micro_graphs(1, precision="float32") == {"small": 3.0, "large": 2.0}


def test_shortest_run_of_a_micro_graph_counts(monkeypatch):
    clock = iter([3.0, 4.0, 5.0, *[6.0] * 8, 2.0])
    monkeypatch.setattr(rounds, "_milliseconds", lambda run: next(clock))
    assert list(measure_pass([_SMALL], precision="float32", threads=1, seconds=1e-9)) == [{"small": 2.0}]


def test_groups_are_yielded_as_soon_as_they_are_measured(monkeypatch):
    monkeypatch.setattr(rounds, "_GROUP", 1)
    measured = measure_pass([_SMALL, _LARGE], precision="float32", threads=1, seconds=1e-9)
    assert list(next(measured)) == ["small"]


def test_session_has_the_threads_that_were_asked_for():
    session, feed = open_micro_graph(_SMALL, "int8", 2)
    assert session.get_session_options().intra_op_num_threads == 2
    assert list(feed) == ["source"]
