"""The idx files of MNIST, Fashion-MNIST and EMNIST: images and labels as plain arrays."""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from edgekit.dataset.listing import Entry, Listing, Split, Splits
from edgekit.errors import DataError
from edgekit.files import check_regular_file
from edgekit.image.source import Pixels, error_text

_SPLIT_NAMES: dict[Split, tuple[str, ...]] = {"train": ("train",), "val": ("t10k", "test", "val")}
_MAX_BYTES, _UNSUSPICIOUS_BYTES, _MAX_RATIO = 2**31, 2**28, 100  # of what is unpacked, as for other archives


def read_idx(root: Path, splits: Splits) -> Listing | None:
    """List the images in the idx files of a folder. The classes are the labels, in numerical order.

    Args:
        root: the folder.
        splits: which splits' pixels to read.

    Returns:
        The listing, or None if the folder has no idx files.

    Raises:
        DataError: a file is broken, or the labels are missing.
    """
    entries: list[Entry] = []
    for split in _SPLIT_NAMES:
        images = _find_file(root, split, "images-idx3")
        if images is not None:
            entries += _read_entries(images, _find_file(root, split, "labels-idx1"), split, splits)
    if not entries:
        return None
    class_order = tuple(sorted({key for entry in entries for key in entry.class_keys}, key=int))
    return Listing(entries=entries, class_order=class_order)


def _read_entries(images: Path, labels: Path | None, split: Split, splits: Splits) -> list[Entry]:
    if labels is None:
        raise DataError(f"{images}: the matching labels file is missing")
    keys = [str(label) for label in _read_array(labels, dimensions=1).tolist()]
    if split not in splits:
        return [Entry(split, (key,), f"{images.name}[{number}]", None) for number, key in enumerate(keys)]
    pixels = _read_array(images, dimensions=3)
    if len(pixels) != len(keys):
        raise DataError(f"{images}: has {len(pixels)} images, but {labels} has {len(keys)} labels")
    return [Entry(split, (key,), f"{images.name}[{i}]", pixels[i]) for i, key in enumerate(keys)]


def _find_file(root: Path, split: Split, kind: str) -> Path | None:
    """Find a file named with dots or dashes, compressed or not, with or without the data set's name as a prefix."""
    for path in sorted(file for file in root.iterdir() if not file.is_dir()):
        name = path.name.replace(".idx", "-idx").removesuffix(".gz").removesuffix("-ubyte")
        if any(name == f"{prefix}-{kind}" or name.endswith(f"-{prefix}-{kind}") for prefix in _SPLIT_NAMES[split]):
            return path
    return None


def _read_array(path: Path, *, dimensions: int) -> Pixels:
    """Read an idx file of unsigned bytes: 0, 0, 8, number of dimensions, dimensions (big-endian uint32), values."""
    check_regular_file(path, error=DataError)
    try:
        limit = min(_MAX_BYTES, max(_UNSUSPICIOUS_BYTES, _MAX_RATIO * path.stat().st_size))
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error_text(error)}") from None
    if len(data) > limit:
        raise DataError(f"{path}: contains more than {limit} bytes; refused")
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(f"{path}: not an idx file of unsigned bytes with {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != np.prod(shape, dtype=np.uint64):
        declared = "x".join(map(str, shape))
        raise DataError(f"{path}: has {len(data) - header} values, but its header declares {declared}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
