"""Small data sets of cats (dark images) and dogs (bright ones), in folders and archives."""

import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from edgekit.image.load import load_image

PIXELS = {"cats": 10, "dogs": 200}


def write_image(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 6), value).save(path)


def make_folder(root: Path, splits: tuple[str, ...], count: int = 4) -> Path:
    for split in splits:
        for name, value in PIXELS.items():
            for number in range(count):
                write_image(root / split / name / f"{number}.png", value + number)
    return root


def value_of(source) -> int:
    return int(np.asarray(load_image(source, color="L").pixels)[0, 0])


def pack(folder: Path, path: Path, top: str = "") -> Path:
    """Pack a folder into the archive `path`, under the folder `top` of it."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, Path(top) / file.relative_to(folder))
    else:
        with tarfile.open(path, f"w:{path.suffix.removeprefix('.').removesuffix('tar')}") as archive:
            archive.add(folder, top or ".")
    return path


def assert_cats_and_dogs(images, count=8):
    assert images.classes == ("cats", "dogs")
    assert len(images) == count
    for source, label in zip(images.sources, images.labels, strict=True):
        assert (value_of(source) >= 200) == (label == 1)
