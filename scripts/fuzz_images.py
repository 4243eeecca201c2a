"""Fuzz the loading of images: small files of every format and mode, mutated.

python scripts/fuzz_images.py [--count 20000] [--seed 0]
"""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
from fuzzing import Trial, main, mutated
from PIL import Image

from edgekit import Preprocess, Size, load_image, plan_named

MODES = {
    "JPEG": ("RGB", "L", "CMYK"),
    "PNG": ("RGB", "RGBA", "L", "LA", "P", "1", "I;16"),
    "GIF": ("P", "L"),
    "BMP": ("RGB", "L", "1", "P"),
    "PPM": ("RGB", "L", "1", "I;16"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16", "F"),
    "AVIF": ("RGB",),
}
OPTIONS: dict[str, tuple[dict[str, object], ...]] = {
    "JPEG": ({}, {"progressive": True}, {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0"}),
    "TIFF": ({}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}, {"compression": "packbits"}),
}


def prepare(folder: Path) -> Trial:
    values = np.random.default_rng(0).integers(0, 256, (37, 53, 4), np.uint8)
    files = [
        written(values, form, mode, options)
        for form, modes in MODES.items()
        for mode in modes
        for options in OPTIONS.get(form, ({},))
    ]
    preprocess, plan = Preprocess(resize=36, crop=Size(32, 32)), plan_named("five")

    def trial(rng: random.Random) -> None:
        image = load_image(mutated(rng.choice(files), rng, other=rng.choice(files)))
        pixels = preprocess.pixels(image, plan.views(image.size, preprocess))
        if pixels.shape != (5, 32, 32, 3):
            raise AssertionError(f"pixels of shape {pixels.shape}")

    return trial


def written(values: np.ndarray, form: str, mode: str, options: dict[str, object]) -> bytes:
    """An image file of a format, in a mode."""
    if mode == "I;16":
        image = Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(values, "RGBA").convert("RGB").convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=20_000)
