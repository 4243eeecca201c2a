"""A picture decoded no larger than what will be seen of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from PIL.Image import Image

from edgekit import image as images
from edgekit.adaptive import AdaptivePlan
from edgekit.crops import CropPlan
from edgekit.image import Channels, Limits, PictureSource, Size
from edgekit.preprocess import Preprocess

Wanted: TypeAlias = tuple[Preprocess, CropPlan | AdaptivePlan]
# A JPEG decoded to twice the size that it is resized to is as good as the whole; decoded to once the size, it is not.
_DECODED_TIMES = 2


def load_for(
    source: PictureSource, wanted: Sequence[Wanted], *, limits: Limits, channels: Channels, exact: bool
) -> Image:
    """The picture, upright, for all that is wanted of it: in RGB where any of the networks takes colors.

    exact: decode all of it. Raises ImageError for a picture that cannot be read or is refused.
    """
    color = max((preprocess.color for preprocess, _ in wanted), key=len)

    def needed(size: Size) -> Size:
        resized = [view.resize for preprocess, plan in wanted for view in plan.views(size, preprocess)]
        return Size(*(_DECODED_TIMES * max(extents) for extents in zip(*resized, strict=True)))

    return images.load(source, color=color, limits=limits, channels=channels, needed=None if exact else needed)
