"""Sizes of resized images, and the offsets of crops, against other libraries."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from edgekit.image.size import Size
from edgekit.preprocess.crops import PLANS, View, plan_named
from edgekit.preprocess.geometry import content_size, crop_offset, resized_size
from edgekit.preprocess.spec import Preprocess

EXTENTS = st.integers(1, 5000)
SIZES = st.builds(Size, EXTENTS, EXTENTS)
SIDES = st.integers(1, 300)


@st.composite
def preprocesses(draw: st.DrawFn, fits: tuple[str, ...] = ("squash", "letterbox", "cover")) -> Preprocess:
    crop = Size(draw(SIDES), draw(SIDES))
    return Preprocess(
        fit=draw(st.sampled_from(fits)),
        resize=Size(draw(SIDES), draw(SIDES)),
        crop=crop,
        pad=draw(st.integers(0, min(min(crop) - 1, 40))),
        offset=draw(st.sampled_from(["round", "floor"])),
    )


# From ResizeKeepRatio.get_params of timm 1.0.31, with longest=1 (letterbox) and longest=0 (cover).
TIMM = [
    ("letterbox", (375, 500), (224, 224), (168, 224)),
    ("letterbox", (576, 153), (224, 224), (224, 59)),  # 59.5 in exact fractions, a little less in double precision
    ("letterbox", (576, 261), (224, 224), (224, 101)),
    ("letterbox", (450, 640), (224, 224), (158, 224)),  # 157.5
    ("letterbox", (3, 997), (224, 224), (1, 224)),
    ("letterbox", (333, 500), (240, 320), (213, 320)),
    ("letterbox", (1080, 1920), (300, 200), (112, 200)),
    ("cover", (375, 500), (224, 224), (224, 299)),
    ("cover", (576, 153), (224, 224), (843, 224)),
    ("cover", (450, 640), (224, 224), (224, 319)),
    ("cover", (3, 997), (224, 224), (224, 74443)),
    ("cover", (333, 500), (240, 320), (240, 360)),
    ("cover", (71, 33), (96, 160), (344, 160)),
    ("cover", (1080, 1920), (300, 200), (300, 533)),
]


@pytest.mark.parametrize(("fit", "size", "target", "expected"), TIMM)
def test_resized_size_equals_timms(fit, size, target, expected):
    assert resized_size(Size(*size), Preprocess(fit=fit, resize=target)) == expected


@given(SIZES, preprocesses())
def test_resized_size_touches_its_target(size, preprocess):
    resized = resized_size(size, preprocess)
    pairs = tuple(zip(resized, preprocess.resize, strict=True))
    assert any(extent == target for extent, target in pairs)
    if preprocess.fit == "squash":
        assert resized == preprocess.resize
    elif preprocess.fit == "letterbox":
        assert all(extent <= target for extent, target in pairs)
    else:
        assert all(extent >= target for extent, target in pairs)


@given(SIZES, preprocesses(), st.floats(0.25, 4))
def test_resized_size_zoomed_out_shows_no_border_that_the_network_has_not_seen(size, preprocess, zoom):
    plain, zoomed = (resized_size(size, preprocess, zoom=factor) for factor in (1.0, zoom))
    if preprocess.fit == "letterbox":
        assert all((z <= p) if zoom < 1 else (z >= p) for p, z in zip(plain, zoomed, strict=True))
    else:
        covered = map(min, plain, content_size(preprocess))
        assert all(z >= c for z, c in zip(zoomed, covered, strict=True))


PLANS_AND_GRIDS = [*PLANS.values(), plan_named("grid:3x4")]


@given(SIZES, preprocesses(), st.sampled_from(PLANS_AND_GRIDS))
def test_views_of_every_fit_are_crops_that_see_the_image(size, preprocess, plan):
    for resized, box, _ in plan.views(size, preprocess):
        assert (box.bottom - box.top, box.right - box.left) == preprocess.crop
        for start, end, extent in ((box.top, box.bottom, resized.height), (box.left, box.right, resized.width)):
            assert max(start, 0) < min(end, extent)  # some of the image is in it
            before, after = -start, end - extent  # the border, where positive
            if end - start > extent + 2 * preprocess.pad:  # shorter than the crop: in the middle
                assert abs(before - after) <= 1
                assert (before <= after) == (preprocess.offset == "round") or before == after
            else:
                assert max(before, after) <= preprocess.pad


@given(SIZES, preprocesses(("squash",)))
def test_plans_of_a_squashing_network_keep_the_squashed_proportions(size, preprocess):
    """Whatever the plan, the image is stretched as it was in training: its own proportions do not matter."""
    for plan in PLANS.values():
        assert plan.views(size, preprocess) == plan.views(Size(1, 1), preprocess)


@given(SIZES, st.integers(1, 300), st.sampled_from(["squash", "letterbox"]))
def test_whole_is_the_center_if_the_image_is_resized_to_the_crop(size, side, fit):
    preprocess = Preprocess(fit=fit, resize=side, crop=side)
    assert PLANS["whole"].views(size, preprocess) == PLANS["center"].views(size, preprocess)


@given(SIZES, st.integers(1, 300))
def test_five_views_of_a_letterbox_that_fills_the_crop_are_one(size, side):
    preprocess = Preprocess(fit="letterbox", resize=side, crop=side)
    assert len(set(PLANS["five"].views(size, preprocess))) == 1


@pytest.mark.parametrize(("offset", "offsets"), [("round", (0, 0, 1, 2, 2, 2)), ("floor", (0, 0, 1, 1, 2, 2))])
def test_crop_offset_rounds_half_to_even_or_down(offset, offsets):
    assert tuple(crop_offset(room, 0.5, Preprocess(offset=offset)) for room in range(6)) == offsets


@pytest.mark.parametrize("fit", ["squash", "letterbox", "cover"])
def test_crop_offset_of_a_short_image_does_not_depend_on_the_position(fit):
    floors = [Preprocess(fit=fit, offset=offset) for offset in ("round", "floor")]
    for share in (0.0, 0.5, 1.0):
        assert [crop_offset(-3, share, preprocess) for preprocess in floors] == [-1, -2]
        assert [crop_offset(-4, share, preprocess) for preprocess in floors] == [-2, -2]


def test_letterbox_lies_in_the_middle_of_the_crop():
    preprocess = Preprocess(fit="letterbox", resize=(20, 30), crop=(20, 30))
    (view,) = PLANS["center"].views(Size(40, 20), preprocess)
    assert view == View(Size(20, 10), (0, -10, 20, 20))
