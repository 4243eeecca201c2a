import os
import re

import pytest
from made_forks import forked

from edgekit.errors import SpecError
from edgekit.serve import metrics as module
from edgekit.serve.metrics import MAX_COLUMNS, Metrics
from edgekit.serve.request_errors import RequestError
from edgekit.serve.shared_values import SharedValues


def values(metrics):
    return {
        (family.name + sample.name, *sample.labels.values()): sample.value
        for family in metrics.families()
        for sample in family.samples
    }


def one(**arguments):
    return Metrics(routes=["/predict", "/models"], models=["tiny"], **arguments)


def test_requests_are_counted_by_route_and_status():
    metrics = one()
    for status in (200, 200, 422, 777):
        metrics.begin_request()
        metrics.end_request("/predict", status, seconds=0.02)
    metrics.begin_request()
    found = values(metrics)
    assert found["edgekit_requests_total", "/predict", "200"] == 2
    assert found["edgekit_requests_total", "/predict", "422"] == 1
    assert found["edgekit_requests_total", "/predict", "other"] == 1
    assert not any(key[:2] == ("edgekit_requests_total", "/models") for key in found)
    assert found["edgekit_requests_in_progress",] == 1


def test_durations_are_counted_cumulatively():
    metrics = one()
    for seconds in (0.004, 0.005, 0.2, 99):
        metrics.end_request("/predict", 200, seconds=seconds)
    found = values(metrics)
    bucket = "edgekit_request_duration_seconds_bucket"
    assert [found[bucket, "/predict", end] for end in ("0.005", "0.01", "0.1", "0.25", "30.0", "+Inf")] == [
        2, 2, 2, 3, 3, 4,
    ]  # fmt: skip
    assert found["edgekit_request_duration_seconds_count", "/predict"] == 4
    assert found["edgekit_request_duration_seconds_sum", "/predict"] == pytest.approx(99.209)


def test_failures_images_reloads_and_gauges():
    metrics = one()
    metrics.count_failure("busy")
    metrics.count_failure("something new")
    metrics.count_images("tiny", predicted=3, failed=1)
    metrics.count_reload(True)
    metrics.count_reload(False)
    metrics.set_pool(running=2, waiting=5)
    found = values(metrics)
    assert found["edgekit_failures_total", "busy"] == found["edgekit_failures_total", "other"] == 1
    assert found["edgekit_failures_total", "deadline"] == 0
    assert [found["edgekit_images_total", "tiny", outcome] for outcome in ("predicted", "failed")] == [3, 1]
    assert [found["edgekit_model_reloads_total", outcome] for outcome in ("loaded", "refused")] == [1, 1]
    assert found["edgekit_images_in_progress",] == 2
    assert found["edgekit_requests_waiting",] == 5


def test_processes_are_summed_and_a_restarted_one_continues():
    shared = SharedValues(2, MAX_COLUMNS)
    first, second = (one(values=shared, worker=number) for number in (0, 1))
    for metrics in (first, second):
        metrics.end_request("/predict", 200, seconds=1)
        metrics.set_pool(running=1, waiting=0)
        metrics.note_process()
    first.begin_request()
    assert second.processes() == [os.getpid()] * 2
    restarted = one(values=shared, worker=0)
    restarted.end_request("/predict", 200, seconds=1)
    found = values(second)
    assert found["edgekit_requests_total", "/predict", "200"] == 3
    assert found["edgekit_images_in_progress",] == 1  # of the second; those of the first ended with it


def test_too_many_models_are_refused():
    with pytest.raises(SpecError, match=r"at most \d+ models \(got 3000\)") as refused:
        Metrics(routes=[], models=map(str, range(3000)))
    most = int(re.search(r"at most (\d+)", str(refused.value))[1])
    Metrics(routes=[], models=map(str, range(most)))
    with pytest.raises(SpecError):
        Metrics(routes=[], models=map(str, range(most + 1)))


def test_every_error_has_a_kind_that_is_counted():
    import edgekit.serve.app

    assert edgekit.serve.app  # and with it every module that defines an error
    pending, kinds = [RequestError], set()
    while pending:
        error = pending.pop()
        kinds.add(error.kind)
        pending += error.__subclasses__()
    assert len(kinds) >= 9
    assert kinds <= set(module.KINDS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_process_counts_for_itself():
    metrics = one()
    metrics.end_request("/predict", 200, seconds=1)
    reader, writer = os.pipe()

    def count():
        metrics.note_process()
        metrics.end_request("/predict", 200, seconds=1)
        metrics.end_request("/predict", 200, seconds=1)
        os.write(writer, f"{values(metrics)['edgekit_requests_total', '/predict', '200']:g}".encode())
        return 0

    os.waitpid(forked(count), 0)
    os.close(writer)
    with open(reader) as pipe:
        assert pipe.read() == "2"
    assert values(metrics)["edgekit_requests_total", "/predict", "200"] == 1
