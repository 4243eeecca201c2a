"""A picture decoded no larger than what will be seen of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from PIL.Image import Image

from edgekit.image import load as images
from edgekit.image.load import Channels, Limits, PictureSource, Size
from edgekit.preprocess.adaptive_crops import AdaptivePlan, margins
from edgekit.preprocess.crops import CropPlan
from edgekit.preprocess.spec import Preprocess
from edgekit.runtime.prediction import Answer

Wanted: TypeAlias = tuple[Preprocess, CropPlan | AdaptivePlan]
# A JPEG decoded to twice the size that it is resized to is as good as the whole; decoded to once the size, it is not.
_DECODED_TIMES = 2
# The lead of a label under which the whole picture is looked at. Of 500 photographs enlarged to 12 megapixels an int8
# MobileNetV2 then answers 499 as with all of them decoded, and 491 without; 9% of them are looked at twice.
_IN_DOUBT = 0.1


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


def settled(picture: Image, answer: Callable[[Image, bool], Answer]) -> Answer:
    """What is answered for the picture and whether to resample all of it, as precisely as the answer needs.

    Two labels that are about as probable change places by what reduced decoding moves; then the whole picture decides.
    """
    found = answer(picture, False)
    if margins(found.probabilities) >= _IN_DOUBT:
        return found
    start = time.perf_counter()
    full = images.in_full(picture)
    decoding_ms = (time.perf_counter() - start) * 1e3
    if full is None:
        return found
    surer = answer(full, True)
    return surer._replace(
        pixels_ms=found.pixels_ms + decoding_ms + surer.pixels_ms, network_ms=found.network_ms + surer.network_ms
    )
