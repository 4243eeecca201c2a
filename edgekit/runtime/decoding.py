"""How much of an image must be decoded: no more than its views need, and all of it where two labels are close."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.image.size import Size
from edgekit.preprocess.adaptive_crops import margins
from edgekit.preprocess.crops import View
from edgekit.preprocess.scores import Floats

# A JPEG decoded to twice the size that it is resized to is as good as the whole; decoded to once the size, it is not.
_DECODED_TIMES = 2
# The lead of a label under which the whole image is decoded. Of 500 photographs enlarged to 12 megapixels an int8
# MobileNetV2 then answers 499 as with all of them decoded, and 491 without; 9% of them are decoded twice.
_CLOSE = 0.1


def enough_for(views: Iterable[View]) -> Size:
    """The size that an image must be decoded to, at least, so that the views look as if cut from all of it."""
    heights, widths = zip(*(view.resize for view in views), strict=True)
    return Size(_DECODED_TIMES * max(heights), _DECODED_TIMES * max(widths))


def are_close(probabilities: Floats) -> bool:
    """Whether the best two of (classes,) might change places by what reduced decoding moves."""
    return bool(margins(probabilities) < _CLOSE)
