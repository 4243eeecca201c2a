"""Additions of quantized tensors round alike on processors that compute them differently."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.quantize.exact_additions import Addition, with_exact_additions
from edgekit.quantize.ranges import Range
from edgekit.quantize.weight_format import activation_scale

_FIRST, _SECOND = (values.astype(np.float32) for values in np.mgrid[:256, :256])
_bounds = st.floats(0.0, 8.0, width=32)


def rounded_on_x86(scales, zero_points):
    """All 65,536 sums as onnxruntime computes them on x86: zero points in one constant, each step rounded."""
    first, second, output = (np.float32(scale) for scale in scales)
    ratios = first / output, second / output
    zeros = [np.float32(zero_point) for zero_point in zero_points]
    constant = zeros[2] - (ratios[0] * zeros[0] + ratios[1] * zeros[1])
    return np.clip(np.rint(_SECOND * ratios[1] + (_FIRST * ratios[0] + constant)), 0, 255)


def rounded_on_arm(scales, zero_points):
    """The same on Arm: exact products, a half away from zero, and then the zero point."""
    first, second, output = (np.float32(scale) for scale in scales)
    values = [np.float64(first / output) * (_FIRST - zero_points[0]), np.float64(second / output)]
    total = np.float32(values[0] + values[1] * (_SECOND - zero_points[1]))
    return np.clip(np.sign(total) * np.floor(np.abs(total) + np.float32(0.5)) + zero_points[2], 0, 255)


def differences(ranges: dict[str, Range]) -> int:
    """How many of the sums of first and second differ between the processors."""
    scales, zero_points = zip(*(activation_scale(ranges[name], "uint8") for name in "abc"), strict=True)
    return int((rounded_on_x86(scales, zero_points) != rounded_on_arm(scales, zero_points)).sum())


def ratios(ranges: dict[str, Range], addition: Addition) -> list[float]:
    return [ranges[name].step / ranges[addition.output].step * 1023 for name in addition[:2]]


@settings(max_examples=25)
@given(st.lists(st.tuples(_bounds, _bounds), min_size=2, max_size=2))
def test_sums_are_rounded_alike_on_all_processors(bounds):
    inputs = [Range(-low - 0.1, high + 0.1) for low, high in bounds]
    output = Range(inputs[0].lowest + inputs[1].lowest, inputs[0].highest + inputs[1].highest)
    ranges = dict(zip("abc", (*inputs, output), strict=True))
    assert differences(with_exact_additions(ranges, [Addition("a", "b", "c")])) == 0


def test_sums_of_other_ranges_are_not_all_rounded_alike():
    rng = np.random.default_rng(0)
    found = [
        differences({name: Range(*(-1, 1) * rng.uniform(0.5, 2, 2) * (1 + (name == "c"))) for name in "abc"})
        for _ in range(20)
    ]
    assert sum(found) > 0


def test_ranges_become_wider_by_a_few_thousandths_and_keep_their_zero_points():
    ranges = {"a": Range(-3.0, 2.0), "b": Range(-1.0, 1.7), "c": Range(-3.3, 2.9), "other": Range(0.0, 1.0)}
    widened = with_exact_additions(ranges, [Addition("a", "b", "c")])
    assert widened["a"] == ranges["a"]
    assert widened["other"] == ranges["other"]
    for name in "bc":
        assert 1 <= widened[name].step / ranges[name].step < 1.004
        assert activation_scale(widened[name], "int8")[1] == activation_scale(ranges[name], "int8")[1]
    assert ratios(widened, Addition("a", "b", "c")) == pytest.approx(np.rint(ratios(widened, Addition("a", "b", "c"))))


def test_sums_of_sums_follow_their_input():
    chain = [Addition("a", "b", "c"), Addition("d", "c", "e"), Addition("e", "f", "g")]
    rng = np.random.default_rng(1)
    ranges = {name: Range(-rng.uniform(1, 2), rng.uniform(1, 2)) for name in "abcdefg"}
    widened = with_exact_additions(ranges, chain)
    for addition in chain:
        assert ratios(widened, addition) == pytest.approx(np.rint(ratios(widened, addition)), abs=1e-6)
    assert all(widened[name].step >= ranges[name].step for name in "abcdefg")


@pytest.mark.parametrize(
    "additions",
    [
        [Addition("a", "b", "c"), Addition("d", "e", "f"), Addition("c", "f", "g")],  # both inputs are settled
        [Addition("a", "b", "c"), Addition("a", "d", "c")],  # the output is
    ],
)
def test_settled_ranges_are_not_changed_again(additions):
    ranges = {name: Range(-1.0 - ord(name) / 300, 1.3) for name in "abcdefg"}
    before = with_exact_additions(ranges, additions[:-1])
    assert with_exact_additions(ranges, additions) == before


def test_fixed_ranges_are_kept_and_followed():
    ranges = {"a": Range(-1.0, 1.0), "b": Range(-2.0, 1.5), "c": Range(-2.5, 2.2)}
    addition = Addition("a", "b", "c")
    widened = with_exact_additions(ranges, [addition], fixed=["a"])
    assert widened["a"] == ranges["a"]
    assert ratios(widened, addition) == pytest.approx(np.rint(ratios(widened, addition)))
    assert with_exact_additions(ranges, [addition], fixed=["a", "b"]) == ranges
    assert with_exact_additions(ranges, [addition], fixed=["c"]) == ranges


@pytest.mark.parametrize("output", [Range(0.0, 0.0), Range(-0.01, 0.01), Range(-1e6, 1e6)])
def test_ranges_that_do_not_fit_a_sum_are_not_changed(output):
    ranges = {"a": Range(-1.0, 1.0), "b": Range(-1.0, 1.0), "c": output}
    assert with_exact_additions(ranges, [Addition("a", "b", "c")]) == ranges


def test_tensor_added_to_itself_keeps_its_range():
    widened = with_exact_additions({"a": Range(-1.0, 1.0), "c": Range(-1.9, 2.0)}, [Addition("a", "a", "c")])
    assert widened["a"] == Range(-1.0, 1.0)
    assert ratios(widened, Addition("a", "a", "c"))[0] == pytest.approx(524)
