"""MNIST's idx files: pictures and labels as bare arrays."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from edgekit.dataset.listing import Entry, Found, Split, Wanted
from edgekit.errors import DataError
from edgekit.image.source import Pixels

_NAMES: dict[Split, tuple[str, ...]] = {"train": ("train",), "val": ("t10k", "test", "val")}
_MAX_BYTES = 2**31


def read_idx(root: Path, wanted: Wanted) -> Found | None:
    """The idx files of a folder, MNIST's, Fashion-MNIST's or EMNIST's; None where there are none.

    Classes are the labels, by their numbers. Raises DataError for a broken file, or pictures without labels.
    """
    entries: list[Entry] = []
    for split in _NAMES:
        images = _file(root, split, "images-idx3")
        if images is not None:
            entries += _entries(images, _file(root, split, "labels-idx1"), split, wanted)
    if not entries:
        return None
    order = tuple(sorted({entry.class_key for entry in entries}, key=int))
    return Found(entries=entries, order=order)


def _entries(images: Path, labels: Path | None, split: Split, wanted: Wanted) -> list[Entry]:
    if labels is None:
        raise DataError(f"{images}: the labels file that belongs to it is missing")
    keys = [str(label) for label in _array(labels, dimensions=1).tolist()]
    if not wanted(split):
        return [Entry(split, key, f"{images.name}[{number}]", None) for number, key in enumerate(keys)]
    pixels = _array(images, dimensions=3)
    if len(pixels) != len(keys):
        raise DataError(f"{images}: {len(pixels)} pictures, but {len(keys)} labels in {labels}")
    return [Entry(split, key, f"{images.name}[{i}]", pixels[i]) for i, key in enumerate(keys)]


def _file(root: Path, split: Split, kind: str) -> Path | None:
    """Named with dots or dashes, compressed or not, with a data set's name in front or not."""
    for path in sorted(root.iterdir()):
        name = path.name.replace(".idx", "-idx").removesuffix(".gz").removesuffix("-ubyte")
        if any(name == f"{own}-{kind}" or name.endswith(f"-{own}-{kind}") for own in _NAMES[split]):
            return path
    return None


def _array(path: Path, *, dimensions: int) -> Pixels:
    """An idx file of unsigned bytes: zero, zero, 8, dimensions, each dimension as big-endian uint32, the values."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != np.prod(shape, dtype=np.uint64):
        raise DataError(f"{path}: {len(data) - header} values where its header says {'x'.join(map(str, shape))}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
