"""The error to expect of a network that is trained from random weights, by how many images it has learned from.

It falls by a power law towards a floor (Hestness et al. 2017, arXiv 1712.00409, section 2), and networks of higher
capacity fall faster and have a lower floor: they are behind at first and ahead in the end. So the time that a network
takes for an image decides how large it should be, and candidates are not compared where a rung leaves them, with a
tenth of the images of the final training.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.fit.candidate import Candidate

# The law is error = floor + (_FIRST - floor) * (images / _IMAGES) ** -exponent, where the capacity of a network is its
# accuracy on ImageNet: floor = _FLOOR * (1 - accuracy) + _LOSS * (lost share of the side), exponent = _LEAST + _RISE *
# accuracy. Of 23 trainings on CIFAR-10 with 16,000 to 100,000 images, of networks with 11 to 62% on ImageNet, it is off
# by 6% of the error in the root mean square; the best constants for these by 5.5%. Values of _FLOOR up to 0.1 fit as
# well; only longer searches depend on it.
_FIRST, _IMAGES, _LEAST, _RISE, _FLOOR, _LOSS = 0.887, 7_400, 0.375, 0.19, 0.1, 0.2


def expected_error(candidate: Candidate, images: float, *, prior: float, edge: int) -> float:
    """The error of a candidate after its training, 0 to 1.

    Args:
        candidate: the candidate.
        images: number of images that it learns from, each as often as it is seen.
        prior: the accuracy of networks of its kind and size on ImageNet, 0 to 1 (`accuracy.prior_accuracy`).
        edge: length of the shorter edge of the images in pixels. A network for small images that sees fewer of them
            has lost what no training brings back; those for photos always see fewer, also on ImageNet.
    """
    if images < _IMAGES:  # in proportion, from a network that knows nothing
        return 1 - (1 - _FIRST) * images / _IMAGES
    lost = 0.0 if candidate.margin else max(1 - candidate.resolution / edge, 0.0)
    floor, exponent = _FLOOR * (1 - prior) + _LOSS * lost, _LEAST + _RISE * prior
    return float(floor + (_FIRST - floor) * (images / _IMAGES) ** -exponent)
