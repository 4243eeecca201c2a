"""Operators and multiply-accumulates of a model file."""

import pytest

from edgekit.bench.operators import count_macs, operator_shares
from edgekit.bench.subject import open_subject
from edgekit.cost import total
from edgekit.graph.layer_costs import layers
from edgekit.zoo.specs import SPECS


@pytest.mark.parametrize("name", ["lenet5-mnist", "lenet5-mnist-int8", "mobilenet_v2-cifar10-int8"])
def test_count_macs_agrees_with_layer_costs(name):
    subject = open_subject(name)
    assert count_macs(subject) == total(layers(subject.model, name=name)).macs > 0


def test_count_macs_of_a_third_party_model(shared):
    subject = open_subject(shared / "weights/mobilenet_v2_imagenet_plain.onnx")
    assert count_macs(subject) == SPECS["mobilenet_v2"].macs
    assert subject.info is None


def test_operator_shares_sum_to_one():
    rows = operator_shares(open_subject("lenet5-mnist-int8"))
    assert sum(row.share for row in rows) == pytest.approx(1)
    assert [row.share for row in rows] == sorted((row.share for row in rows), reverse=True)
    assert next(row.nodes for row in rows if row.kind == "QLinearConv") == 3
