"""What fits a budget without data, and what the compound rule gives beside it."""

import itertools

import pytest
from made_micro_graphs import write_device

from edgekit.errors import SpecError
from edgekit.fit import Budget, device_named, scaling, scalings
from edgekit.fit.layers import Traces
from edgekit.fit.ranking import predicted_points
from edgekit.fit.space import candidates, compound


@pytest.fixture(scope="module")
def device(tmp_path_factory):
    return device_named(write_device(tmp_path_factory.mktemp("device") / "device.json"), threads=1)


@pytest.fixture(scope="module")
def found(device):
    """What fits 20 ms, of two networks in int8, without the steps between the candidates of the space."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scaling, "_MOST_STEPS", 0)
        return scalings(
            ("efficientnet_b0", "mobilenet_v1"), budget=Budget(latency_ms=20.0), device=device, precisions=("int8",)
        )


def test_scalings_has_the_best_candidate_of_each_network_inside_the_budget(found):
    assert {point.candidate.network for point in found.points} == {"efficientnet_b0", "mobilenet_v1"}
    assert all(point.predicted.latency_ms <= 20 for point in found.points)
    assert [point.prior for point in found.points] == sorted((p.prior for p in found.points), reverse=True)


def test_scalings_compound_is_the_largest_phi_that_fits(found, device):
    point, phi = found.compound.point, found.compound.phi
    assert point.predicted.latency_ms <= 20
    larger = compound(phi + 0.05, point.candidate)
    assert predicted_points([larger], device=device, traces=Traces())[0].predicted.latency_ms > 20


def test_scalings_fitted_network_is_at_least_as_good_as_the_compound_rule(found):
    fitted = next(point for point in found.points if point.candidate.network == "efficientnet_b0")
    assert fitted.prior >= found.compound.point.prior


def test_scalings_of_named_networks_are_refined_between_the_candidates_of_the_space(device):
    budget = Budget(latency_ms=10.0)
    refined = scalings(("mobilenet_v1",), budget=budget, device=device, precisions=("int8",)).points[0]
    space = candidates(classes=1000, image_size=256, networks=("mobilenet_v1",), precisions=("int8",))
    inside = [p for p in predicted_points(space, device=device, traces=Traces()) if budget.admits(p.figures)]
    assert refined.prior > max(point.prior for point in inside)
    assert budget.admits(refined.figures)


def test_scalings_compound_follows_the_rule(found):
    candidate, phi = found.compound.point.candidate, found.compound.phi
    assert candidate.width_mult == pytest.approx(1.1**phi)
    assert candidate.depth_mult == pytest.approx(1.2**phi)
    assert candidate.resolution == round(224 * 1.15**phi)


def test_scalings_of_other_networks_have_no_compound_rule(device):
    found = scalings(("mobilenet_v1",), budget=Budget(latency_ms=20.0), device=device, precisions=("float32",))
    assert found.compound is None
    assert found.to_dict()["compound"] is None
    assert {entry["precision"] for entry in found.to_dict()["scalings"]} == {"float32"}


def test_scalings_of_an_impossible_budget_name_the_nearest_candidate(device):
    with pytest.raises(
        SpecError, match=r"none of 64 candidates keeps .* nearest is mobilenet_v1 w0\.25 .* raise `size`"
    ):
        scalings(
            ("mobilenet_v1",), budget=Budget(latency_ms=20.0, size_bytes=1000), device=device, precisions=("int8",)
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"networks": ("lenet5",)}, "unknown network 'lenet5'"),
        ({"networks": "mobilenet_v1"}, "`networks` must be a list or tuple"),
        ({"precisions": ("int4",)}, "unknown precision 'int4'"),
        ({"budget": 5.0}, "`budget` must be a Budget"),
        ({"device": "this"}, "`device` must be a Device"),
    ],
)
def test_scalings_refuse_wrong_arguments(device, options, message):
    with pytest.raises(SpecError, match=message):
        scalings(**{"budget": Budget(latency_ms=20.0), "device": device, **options})


def test_scalings_report_progress(device):
    seen = []
    scalings(
        ("mobilenet_v1",),
        budget=Budget(latency_ms=20.0),
        device=device,
        precisions=("int8",),
        progress=lambda stage, done, total: seen.append((stage, done, total)),
    )
    stages = [list(calls) for _, calls in itertools.groupby(seen, key=lambda call: call[0])]
    assert [calls[0][0] for calls in stages] == ["predicting latencies", "refining"]
    for calls in stages:
        assert [done for _, done, _ in calls] == list(range(calls[0][2] + 1))
