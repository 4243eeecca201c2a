"""Pictures with their labels drawn on, in a folder where nothing is replaced."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.errors import EdgekitError

if TYPE_CHECKING:
    from PIL.Image import Image

_LONGEST, _SHORTEST = 2048, 256  # pixels of the saved picture's longer edge: enough to look at, and to read the labels
_LONGEST_LINE = 60
_LONGEST_NAME = 100
_QUALITY = 90


class DrawnPictures:
    """The folder, made where there is none. Raises EdgekitError where that cannot be."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._taken: Counter[str] = Counter()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise EdgekitError(f"{folder}: no folder can be made: {error}") from None

    def save(self, name: str, picture: Image, lines: Sequence[str]) -> Path:
        """Write the picture with the lines drawn on, as a JPEG named like the file `name`; the file's path.

        A name that is taken gets a number. Raises EdgekitError where it cannot be written.
        """
        file = BytesIO()
        drawn(picture, lines).save(file, "JPEG", quality=_QUALITY)
        stem = "".join(c if c.isalnum() or c in "-_. " else "_" for c in Path(name).stem)[:_LONGEST_NAME] or "picture"
        while True:
            self._taken[stem] += 1
            number = self._taken[stem]
            path = self._folder / (f"{stem}.jpg" if number == 1 else f"{stem}-{number}.jpg")
            try:
                with path.open("xb") as target:  # never over a file that is there, an input above all
                    target.write(file.getbuffer())
            except FileExistsError:
                continue
            except OSError as error:
                raise EdgekitError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from None
            return path


def drawn(picture: Image, lines: Sequence[str]) -> Image:
    """An RGB picture of a size to look at, the lines in a dark box in its lower left corner."""
    from PIL import Image, ImageDraw, ImageFont

    base = _to_look_at(picture)
    text = "\n".join(line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in lines)
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


def _to_look_at(picture: Image) -> Image:
    """The picture, smaller where it is huge, and in larger pixels where it is tiny."""
    from PIL import Image

    longest = max(picture.size)
    if longest > _LONGEST:
        shrunk = [max(1, extent * _LONGEST // longest) for extent in picture.size]
        return picture.resize((shrunk[0], shrunk[1]), Image.Resampling.BILINEAR)
    factor = -(-_SHORTEST // longest)
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
