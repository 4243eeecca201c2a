"""Copies of images with their predictions drawn on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import EdgekitError
from edgekit.files import write_new

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_LONG_EDGE, _MIN_LONG_EDGE = 2048, 256  # pixels: large enough to recognize the image and to read the labels
_MAX_LINE_LENGTH = 60
_MAX_NAME_LENGTH = 100
_JPEG_QUALITY = 90


class AnnotatedImages:
    """A folder of annotated images in which no existing file is replaced; created if it is missing.

    Raises EdgekitError if the folder cannot be created.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._name_counts: Counter[str] = Counter()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise EdgekitError(f"{folder}: the folder cannot be created: {error}") from None

    def save(self, name: str, image: Image, lines: Sequence[str]) -> Path:
        """Write the image with the lines drawn on as a JPEG named like the file `name`; return the JPEG's path.

        If the file exists, a number is appended to its name. Raises EdgekitError if it cannot be written.
        """
        file = BytesIO()
        annotated(image, lines).save(file, "JPEG", quality=_JPEG_QUALITY)
        stem = "".join(c if c.isalnum() or c in "-_. " else "_" for c in Path(name).stem)
        stem = stem[:_MAX_NAME_LENGTH] or "image"
        while True:
            self._name_counts[stem] += 1
            number = self._name_counts[stem]
            path = self._folder / (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg")
            try:
                write_new(path, file.getbuffer())
            except FileExistsError:
                continue
            return path


def annotated(image: Image, lines: Sequence[str]) -> Image:
    """Return a copy of an RGB image at a size fit for viewing, with the lines in a dark box at the lower left."""
    from PIL import Image, ImageDraw, ImageFont

    base = _resized_for_viewing(image)
    text = "\n".join(line if len(line) <= _MAX_LINE_LENGTH else f"{line[:_MAX_LINE_LENGTH]}…" for line in lines)
    size = max(14, base.height // 32)
    font, margin = ImageFont.load_default(size=size), size // 2
    _, _, right, bottom = ImageDraw.Draw(base).multiline_textbbox((0, 0), text, font=font)
    box = (round(right) + 2 * margin, round(bottom) + 2 * margin)
    canvas = Image.new("RGB", (max(base.width, box[0]), max(base.height, box[1])))
    canvas.paste(base, (0, 0))
    canvas.paste((20, 20, 20), (0, canvas.height - box[1], box[0], canvas.height))
    draw = ImageDraw.Draw(canvas)
    draw.multiline_text((margin, canvas.height - box[1] + margin), text, font=font, fill="white")
    return canvas


def _resized_for_viewing(image: Image) -> Image:
    """Shrink a huge image, enlarge the pixels of a tiny one."""
    from PIL import Image

    longest = max(image.size)
    if longest > _MAX_LONG_EDGE:
        width, height = (max(1, extent * _MAX_LONG_EDGE // longest) for extent in image.size)
        return image.resize((width, height), Image.Resampling.BILINEAR)
    factor = -(-_MIN_LONG_EDGE // longest)
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.NEAREST)
