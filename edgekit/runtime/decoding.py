"""How much of an image must be decoded: no more than its views need, and all of it if the labels are not clear."""

from __future__ import annotations

from collections.abc import Iterable

from edgekit.image.size import Size
from edgekit.preprocess.crops import View
from edgekit.preprocess.scores import Floats
from edgekit.preprocess.scoring import Scoring

# A JPEG decoded to twice the size that it is resized to is as good as a full one; decoded to just that size, it is not.
_DECODED_TIMES = 2
# Lead of the best label below which the image is decoded again, in full. An int8 MobileNetV2 then labels 499 of 500
# photos, enlarged to 12 megapixels, as if all were decoded in full, and 491 without it; 9% of them are decoded twice.
_CLOSE = 0.1


def enough_for(views: Iterable[View]) -> Size:
    """The smallest decoded size for which the views look as if they were cut from the full image, if antialiased."""
    heights, widths = zip(*(view.resize for view in views), strict=True)
    return Size(_DECODED_TIMES * max(heights), _DECODED_TIMES * max(widths))


def are_close(probabilities: Floats, scoring: Scoring) -> bool:
    """Whether reduced decoding might have changed the labels. probabilities: (classes,)."""
    return bool(scoring.lead(probabilities) < _CLOSE)
