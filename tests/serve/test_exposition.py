import os
import sys

import pytest
from made_serve import call
from prometheus_client.parser import text_string_to_metric_families

from edgekit.serve import ServeSettings, create_app
from edgekit.serve.exposition import text_format
from edgekit.serve.metrics import Family, Sample


@pytest.fixture(scope="module")
def app(tiny_artifact):
    app = create_app(tiny_artifact, settings=ServeSettings(threads=1))
    yield app
    app.state.services.close()


def parsed(text):
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_are_read_by_the_parser_of_prometheus(app):
    call(app, "POST", "/predict", body=b"no image")
    call(app, "GET", "/absent")
    reply = call(app, "GET", "/metrics")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(reply.body.decode())
    assert samples["edgekit_requests_total", ("route", "/predict"), ("status", "422")] == 1
    assert samples["edgekit_requests_total", ("route", "other"), ("status", "404")] == 1
    assert samples["edgekit_request_duration_seconds_count", ("route", "/predict")] == 1
    assert samples["edgekit_failures_total", ("kind", "image")] == 1
    assert samples["edgekit_requests_in_progress",] == 1  # this one
    assert samples["edgekit_requests_waiting",] == 0
    (info,) = [key for key in samples if key[0] == "edgekit_model_info"]
    assert dict(info[1:]) == {
        "model": "tiny",
        "network": "tiny",
        "precision": "float32",
        "sha256": app.state.services.models.get().sha256,
    }


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
def test_memory_and_cpu_time_are_those_of_the_process(app):
    samples = parsed(call(app, "GET", "/metrics").body.decode())
    with open("/proc/self/statm") as file:
        memory = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert samples["process_resident_memory_bytes",] == pytest.approx(memory, rel=0.1)
    assert samples["process_cpu_seconds_total",] == pytest.approx(sum(os.times()[:2]), rel=0.1)


def test_labels_and_values_survive_the_format():
    label, values = 'a "quoted"\\path\nnext', [0.1 + 0.2, 1e21, 12345678901.0, 3]
    family = Family("x_total", "counter", "Help.", [Sample("", {"label": label, "n": str(v)}, v) for v in values])
    text = text_format([family])
    assert text.endswith("\n")
    (read,) = text_string_to_metric_families(text)
    assert [sample.labels["label"] for sample in read.samples] == [label] * 4
    assert [sample.value for sample in read.samples] == values
    assert read.documentation == "Help."
