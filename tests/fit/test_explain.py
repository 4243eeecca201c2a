import dataclasses

import pytest
from made_micro_graphs import write_device

from edgekit.errors import ArtifactError, SpecError
from edgekit.fit.device import device_named
from edgekit.fit.explain import explain


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    return device_named(write_device(tmp_path_factory.mktemp("device") / "device.json", threads=(1,)))


@pytest.mark.parametrize("name", ["mobilenet_v2-cifar10", "mobilenet_v2-cifar10-int8"])
def test_rows_are_all_of_the_predicted_time_and_all_multiply_accumulates(device, name):
    explanation = explain(name, device)
    assert sum(row.predicted_ms for row in explanation.rows) == pytest.approx(explanation.predicted_ms)
    assert sum(row.share for row in explanation.rows) == pytest.approx(1)
    assert explanation.measured_ms is None
    kinds = {row.kind: row for row in explanation.rows}
    assert kinds["depthwise 3x3"].count + kinds["depthwise 3x3, stride 2"].count == 17
    assert explanation.rows[-1].kind == "the run itself"
    times = [row.predicted_ms for row in explanation.rows[:-1]]
    assert times == sorted(times, reverse=True)
    assert explanation.to_dict()["rows"][0]["kind"] == explanation.rows[0].kind


def test_operator_without_a_price_is_refused_in_one_line(device):
    models = {"float32": dataclasses.replace(device.models["float32"], milliseconds={"run": 1.0})}
    with pytest.raises(ArtifactError, match=r"mobilenet_v2-cifar10.onnx: no micro-graph stands for its") as caught:
        explain("mobilenet_v2-cifar10", dataclasses.replace(device, models=models))
    assert "\n" not in str(caught.value)


def test_arguments_of_wrong_types_are_refused(device):
    with pytest.raises(SpecError, match="model"):
        explain(5, device)
    with pytest.raises(SpecError, match="device"):
        explain("mobilenet_v2-cifar10", "this")
