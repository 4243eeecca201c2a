"""Geometry of the crop plans."""

import itertools

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edgekit.errors import SpecError
from edgekit.image.size import Size
from edgekit.preprocess.crops import PLANS, Box, CropPlan, View, ViewRule, mirrored, plan_named
from edgekit.preprocess.geometry import resized_size
from edgekit.preprocess.spec import Preprocess

EXTENTS = st.integers(1, 5000)
SIZES = st.builds(Size, EXTENTS, EXTENTS)


@st.composite
def preprocesses(draw: st.DrawFn) -> Preprocess:
    crop = Size(draw(st.integers(1, 300)), draw(st.integers(1, 300)))
    return Preprocess(resize=draw(st.integers(1, 400)), crop=crop, pad=draw(st.integers(0, min(min(crop) - 1, 40))))


CUTTING = [*(plan for name, plan in PLANS.items() if name != "whole"), plan_named("grid:3x4"), plan_named("grid:1x1")]


@given(SIZES, preprocesses(), st.sampled_from(CUTTING))
def test_views_are_crops_inside_the_padded_image(size, preprocess, plan):
    views = plan.views(size, preprocess)
    assert len(views) == len(plan)
    for resized, box, _ in views:
        assert box_size(box) == preprocess.crop
        assert min(box.top, box.left) >= -preprocess.pad
        assert box.bottom <= resized.height + preprocess.pad
        assert box.right <= resized.width + preprocess.pad


def box_size(box: Box) -> Size:
    return Size(box.bottom - box.top, box.right - box.left)


def unpadded(preprocess: Preprocess) -> Size:
    return Size(*(max(1, extent - 2 * preprocess.pad) for extent in preprocess.crop))


@given(SIZES, preprocesses())
def test_whole_contains_the_image_as_large_as_fits(size, preprocess):
    (view,) = PLANS["whole"].views(size, preprocess)
    assert box_size(view.box) == preprocess.crop
    assert view.box.top <= 0 < view.resize.height <= view.box.bottom
    assert view.box.left <= 0 < view.resize.width <= view.box.right
    room = unpadded(preprocess)
    assert view.resize.height == room.height or view.resize.width == room.width
    above, below = -view.box.top, view.box.bottom - view.resize.height
    assert abs(above - below) <= 1  # in the middle
    height_first, width_first = size.height * view.resize.width, size.width * view.resize.height
    assert min(view.resize) == 1 or abs(height_first - width_first) <= max(size)  # less than a pixel out of proportion


@given(SIZES, preprocesses())
def test_wide_fills_the_crop_and_loses_no_more_than_necessary(size, preprocess):
    (view,) = PLANS["wide"].views(size, preprocess)
    room = unpadded(preprocess)
    assert view.resize.height == room.height or view.resize.width == room.width
    assert view.resize.height >= room.height
    assert view.resize.width >= room.width


@given(SIZES, preprocesses())
def test_stretch_resizes_to_the_crop_without_its_padding(size, preprocess):
    view = ViewRule(fit="stretch").view(size, preprocess)
    assert view.resize == unpadded(preprocess)
    assert box_size(view.box) == preprocess.crop
    if min(preprocess.crop) > 2 * preprocess.pad:
        assert (view.box.top, view.box.left) == (-preprocess.pad, -preprocess.pad)


def test_multi_scale_has_the_144_crops_of_the_googlenet_paper():
    """Section 7: 4 scales, 3 squares of each, of which 4 corners, center and the square itself, and all mirrored."""
    views = PLANS["multi-scale"].views(Size(375, 500), Preprocess())
    assert len(views) == 144
    assert views[72:] == tuple(view._replace(mirrored=True) for view in views[:72])
    squares = [view for view in views[:72] if view.resize == Size(224, 299)]
    assert [view.box for view in squares] == [Box(0, left, 224, left + 224) for left in (0, 38, 75)] * 4
    assert {min(view.resize) for view in views if view not in squares and not view.mirrored} == {256, 288, 320, 352}
    middle = [view.box for view in views[:72] if view.resize == Size(288, 384)][5:10]  # of left 48 to 336
    assert middle == [Box(t, le, t + 224, le + 224) for t, le in ((0, 48), (0, 112), (64, 48), (64, 112), (32, 80))]
    upright = PLANS["multi-scale"].views(Size(500, 375), Preprocess())
    turned = {(Size(*size[::-1]), Box(*(box[i] for i in (1, 0, 3, 2)))) for size, box, _ in views}
    assert {(size, box) for size, box, _ in upright} == turned


@given(SIZES, preprocesses(), st.integers(1, 16), st.integers(1, 16))
def test_grid_reaches_every_border_in_even_steps(size, preprocess, rows, columns):
    views = plan_named(f"grid:{rows}x{columns}").views(size, preprocess)
    tops, lefts = [view.box.top for view in views[::columns]], [view.box.left for view in views[:columns]]
    assert [(view.box.top, view.box.left) for view in views] == [(top, left) for top in tops for left in lefts]
    five = PLANS["five"].views(size, preprocess)
    for places, first, last in ((tops, five[0].box.top, five[3].box.top), (lefts, five[0].box.left, five[3].box.left)):
        steps = [later - earlier for earlier, later in itertools.pairwise(places)]
        assert not steps or (places[0], places[-1]) == (first, last)
        assert not steps or max(steps) - min(steps) <= 1


@given(SIZES, preprocesses())
def test_resized_size_keeps_the_proportions(size, preprocess):
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
def test_ten_is_five_and_its_mirror_images(size, preprocess):
    five, ten = (PLANS[name].views(size, preprocess) for name in ("five", "ten"))
    assert ten == five + tuple(view._replace(mirrored=True) for view in five)
    assert PLANS["center"].views(size, preprocess) == five[4:]
    assert PLANS["flip"].views(size, preprocess) == (five[4], ten[9])
    assert not any(view.mirrored for view in five)


def test_five_has_the_corners_and_the_center():
    views = PLANS["five"].views(Size(20, 30), Preprocess(resize=20, crop=Size(10, 10), pad=0))
    boxes = [Box(0, 0, 10, 10), Box(0, 20, 10, 30), Box(10, 0, 20, 10), Box(10, 20, 20, 30), Box(5, 10, 15, 20)]
    assert views == tuple(View(Size(20, 30), box) for box in boxes)


@pytest.mark.parametrize(("width", "left"), [(10, 0), (11, 0), (12, 1), (13, 2), (15, 2), (17, 4)])
def test_center_offset_is_rounded_half_to_even(width, left):
    (view,) = PLANS["center"].views(Size(10, width), Preprocess(resize=10, crop=Size(10, 10)))
    assert view.box.left == left


def test_padding_surrounds_the_image():
    (view,) = PLANS["center"].views(Size(28, 28), Preprocess(resize=28, crop=Size(32, 32), pad=2))
    assert view == View(Size(28, 28), Box(-2, -2, 30, 30))


def test_plan_named_accepts_names_numbers_and_plans():
    assert [plan_named(number).name for number in (1, 2, 5, 10, "10")] == ["center", "flip", "five", "ten", "ten"]
    assert plan_named("grid:2x2").rules == PLANS["five"].rules[:4]
    own = CropPlan("own", mirrored((ViewRule(down=0.25),)))
    assert plan_named(own) is own
    with pytest.raises(SpecError, match="at most 16"):
        plan_named("grid:17x2")
    for wrong in ("tenn", 3, 0, None, "", "x" * 10**6, "grid:0x3", "grid:3", "grid:3x3x3", "grid:٣x٣"):
        with pytest.raises(SpecError, match="unknown crop plan"):
            plan_named(wrong)


@pytest.mark.parametrize(
    "rules",
    [
        None,
        (),
        [ViewRule()],
        ("center",),
        (ViewRule(fit="fill"),),
        (ViewRule(fit=[]),),
        (ViewRule(zoom=0),),
        (ViewRule(zoom="2"),),
        (ViewRule(down=1.5),),
        (ViewRule(part="left"),),
    ],
    ids=str,
)
def test_crop_plan_rejects_invalid_rules(rules):
    with pytest.raises(SpecError, match="`rules` must be"):
        CropPlan("own", rules)


def test_repr_of_a_crop_plan_is_short():
    assert repr(plan_named("multi-scale")) == "CropPlan('multi-scale', 144 views)"
    assert repr(plan_named("center")) == "CropPlan('center', 1 view)"
