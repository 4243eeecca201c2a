"""Random preprocessing and images, for tests that compare the ports of `Preprocess` with it."""

import random

import numpy as np

from edgekit import Preprocess, Size
from edgekit.bundle.contents import require_portable
from edgekit.errors import SpecError
from edgekit.preprocess.resampling import INTERPOLATIONS

LENGTHS = (1, 2, 3, 5, 8, 17, 40, 90, 160)
# What no other case has: one row, a resized image above 2**24 pixels, an extreme reduction.
SIZES = (Size(1, 60_000), Size(60_000, 1), Size(2, 30_000), Size(5000, 3))


def random_spec(rng: random.Random) -> Preprocess:
    """Return a possible Preprocess that ports compute."""
    while True:
        resampler = rng.choice(tuple(INTERPOLATIONS))
        color, fit = rng.choice(("RGB", "L")), rng.choice(("short-edge", "cover", "squash", "letterbox"))
        most = rng.choice((8, 40, 160))
        lengths = [rng.randint(1, most) for _ in range(5)]
        try:
            spec = Preprocess(
                color=color,
                fit=fit,
                resize=lengths[0] if fit == "short-edge" else Size(*lengths[1:3]),
                pad=rng.choice((0, 0, 0, 1, 3, 7)),
                fill=tuple(rng.randint(0, 255) for _ in color),
                crop=Size(*lengths[3:]),
                offset=rng.choice(("round", "floor")),
                interpolation=rng.choice(INTERPOLATIONS[resampler]),
                resampler=resampler,
                mean=0.5,
                std=0.5,
            )
            require_portable(spec, "web")
        except SpecError:  # no such interpolation, or a crop smaller than its padding
            continue
        return spec


def random_cases(count: int) -> list[tuple[Preprocess, np.ndarray]]:
    """Return specifications with images in their color: noise, or black and white."""
    rng, pixels = random.Random(21), np.random.default_rng(21)
    cases = []
    for number in range(count):
        spec = random_spec(rng)
        size = SIZES[number] if number < len(SIZES) else Size(rng.choice(LENGTHS), rng.randint(1, 300))
        size = Size(*rng.sample(size, 2)) if number >= len(SIZES) else size
        shape = (*size, 3) if spec.color == "RGB" else size
        image = pixels.integers(0, 256, shape, np.uint8)
        cases.append((spec, image if rng.random() < 0.7 else np.uint8(255) * (image > 127)))  # overshoots need contrast
    return cases
