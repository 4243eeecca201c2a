"""How long candidates train, from the speeds of a few of them."""

import statistics

import pytest

from edgekit.fit.accuracy import family_of
from edgekit.fit.layers import Traces
from edgekit.fit.space import candidates
from edgekit.fit.training_time import TrainingWork, representatives, training_seconds, training_work

WORKS = {
    "deep": TrainingWork(30_000_000, 2_000_000, 200),
    "dense": TrainingWork(40_000_000, 400_000, 70),
    "large": TrainingWork(90_000_000, 3_500_000, 90),
    "small": TrainingWork(3_000_000, 100_000, 30),
    "wide": TrainingWork(60_000_000, 2_500_000, 80),
}


def _seconds(work):
    return 3e-11 * work.macs + 1.5e-9 * work.values + 7e-6 * work.layers


def test_estimates_are_exact_where_the_time_is_a_sum_of_work():
    speeds = {name: 1 / _seconds(WORKS[name]) for name in ("deep", "dense", "small")}
    estimated = training_seconds(WORKS, speeds)
    assert estimated == pytest.approx({name: _seconds(work) for name, work in WORKS.items()})


def test_estimates_grow_with_any_work_even_if_measured_speeds_contradict_that():
    speeds = {"small": 100.0, "dense": 200.0, "large": 50.0}  # the smallest one was disturbed
    estimated = training_seconds(WORKS, speeds)
    assert estimated["small"] < estimated["dense"]
    assert max(estimated["small"], estimated["wide"]) < estimated["large"]


def test_single_speed_is_enough():
    assert training_seconds(WORKS, {"dense": 400.0})["dense"] == pytest.approx(1 / 400)


def test_representatives_are_the_extremes_and_the_middle_of_each_family():
    families = {"deep": "a", "dense": "b", "large": "a", "small": "b", "wide": "a"}
    assert representatives(WORKS, families) == ["small", "large", "dense", "wide"]
    assert representatives({"small": WORKS["small"]}, families) == ["small"]


def test_depthwise_networks_write_more_values_for_each_product_than_resnets():
    traces = Traces()
    networks = ["resnet20", "mobilenet_v2"]
    found = candidates(classes=10, image_size=32, networks=networks, precisions=["float32"])
    works = {point.name: training_work(traces.layers(point)) for point in found}
    families = {point.name: family_of(point.network) for point in found}

    def density(family):
        return statistics.median(works[name].values / works[name].macs for name in works if families[name] == family)

    assert 3 * density("resnet") < density("mobilenet_v2")
    some = next(point for point in found if point.name == "resnet20 /4 @32 float32")
    assert works[some.name].macs == traces.cost(some).macs
