"""Geometry of the crop plans."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edgekit.crops import PLANS, Box, CropPlan, View, plan_named, resized_size
from edgekit.errors import SpecError
from edgekit.image import Size
from edgekit.preprocess import Preprocess

EXTENTS = st.integers(1, 5000)
SIZES = st.builds(Size, EXTENTS, EXTENTS)


@st.composite
def preprocesses(draw: st.DrawFn) -> Preprocess:
    crop = Size(draw(st.integers(1, 300)), draw(st.integers(1, 300)))
    return Preprocess(resize=draw(st.integers(1, 400)), crop=crop, pad=draw(st.integers(0, min(min(crop) - 1, 40))))


@given(SIZES, preprocesses(), st.sampled_from(list(PLANS.values())))
def test_every_box_is_a_crop_inside_the_padded_picture(size, preprocess, plan):
    views = plan.views(size, preprocess)
    assert len(views) == len(plan)
    for resized, box, _ in views:
        assert Size(box.bottom - box.top, box.right - box.left) == preprocess.crop
        assert min(box.top, box.left) >= -preprocess.pad
        assert box.bottom <= resized.height + preprocess.pad
        assert box.right <= resized.width + preprocess.pad


@given(SIZES, preprocesses())
def test_the_short_edge_is_resize_and_the_proportions_stay(size, preprocess):
    resized = resized_size(size, preprocess)
    fits = all(
        r + 2 * preprocess.pad >= c for r, c in zip(_usual(size, preprocess.resize), preprocess.crop, strict=True)
    )
    if fits:
        assert resized == _usual(size, preprocess.resize)
        assert min(resized) == preprocess.resize
    else:  # no larger than it must be: one of its extents is the crop's
        assert any(r + 2 * preprocess.pad == c for r, c in zip(resized, preprocess.crop, strict=True))
    assert (resized.height >= resized.width) == (size.height >= size.width) or abs(resized.height - resized.width) <= 1


def _usual(size: Size, resize: int) -> Size:
    """torchvision's rule: int(resize * long / short)."""
    short = min(size)
    return Size(resize * size.height // short, resize * size.width // short)


@given(SIZES, preprocesses())
def test_ten_is_five_and_its_mirrors_and_both_hold_the_center(size, preprocess):
    five, ten = (PLANS[name].views(size, preprocess) for name in ("five", "ten"))
    assert ten == five + tuple(view._replace(mirrored=True) for view in five)
    assert PLANS["center"].views(size, preprocess) == five[4:]
    assert PLANS["flip"].views(size, preprocess) == (five[4], ten[9])
    assert not any(view.mirrored for view in five)


def test_the_five_places_by_hand():
    views = PLANS["five"].views(Size(20, 30), Preprocess(resize=20, crop=Size(10, 10), pad=0))
    boxes = [Box(0, 0, 10, 10), Box(0, 20, 10, 30), Box(10, 0, 20, 10), Box(10, 20, 20, 30), Box(5, 10, 15, 20)]
    assert views == tuple(View(Size(20, 30), box) for box in boxes)


@pytest.mark.parametrize(("width", "left"), [(10, 0), (11, 0), (12, 1), (13, 2), (15, 2), (17, 4)])
def test_the_center_is_rounded_half_to_even(width, left):
    (view,) = PLANS["center"].views(Size(10, width), Preprocess(resize=10, crop=Size(10, 10)))
    assert view.box.left == left


def test_padding_lies_around_the_picture():
    (view,) = PLANS["center"].views(Size(28, 28), Preprocess(resize=28, crop=Size(32, 32), pad=2))
    assert view == View(Size(28, 28), Box(-2, -2, 30, 30))


def test_plans_by_name_and_number():
    assert [plan_named(number).name for number in (1, 2, 5, 10, "10")] == ["center", "flip", "five", "ten", "ten"]
    own = CropPlan("own", ("top_left",), mirrored=True)
    assert plan_named(own) is own
    for wrong in ("tenn", 3, 0, None, "", "x" * 10**6):
        with pytest.raises(SpecError, match="unknown crop plan"):
            plan_named(wrong)
