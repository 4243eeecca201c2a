"""Pictures with their classes: image folders, archives of image folders, MNIST's idx files.

Torch-free, because evaluation and calibration read the same data as training does.
"""

from __future__ import annotations

import gzip
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TypeAlias

import numpy as np

from edgekit.errors import DataError
from edgekit.image import PictureSource, Pixels

# Names by which people call the two halves of a data set.
_SPLIT_NAMES = {"train": ("train", "training"), "val": ("val", "valid", "validation", "test")}
_IDX_NAMES = {"train": "train", "val": "t10k"}
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".gif", ".bmp", ".ppm", ".pgm", ".webp", ".tif", ".tiff", ".avif"})
_IDX_MAX_BYTES = 2**31
_ARCHIVE_MAX_BYTES = 4 * 2**30


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Pictures with their classes.

    classes: names, in the order of their indexes. sources: what image.load takes, one per picture. names: one per
    picture, for messages. labels: class indexes, one per picture.
    """

    classes: tuple[str, ...]
    sources: Sequence[PictureSource]
    names: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def subset(self, indexes: Iterable[int]) -> PictureSet:
        """The pictures of these indexes, in this order, with the same classes."""
        picked = list(indexes)
        return PictureSet(
            self.classes,
            [self.sources[i] for i in picked],
            tuple(self.names[i] for i in picked),
            tuple(self.labels[i] for i in picked),
        )

    def sample(self, count: int, *, seed: int) -> PictureSet:
        """At most `count` pictures, drawn without replacement by the seed, in their own order."""
        count = min(count, len(self))
        return self.subset(sorted(np.random.default_rng(seed).choice(len(self), count, replace=False).tolist()))


def read(path: str | os.PathLike[str], split: str) -> PictureSet:
    """The `split` ("train" or "val") of the data set at `path`.

    path: a folder with train/ and val/ (or test/), each of one folder for each class; a tar, tar.gz or zip of such;
    or a folder of MNIST's idx files. Classes are in the order of their names. Raises DataError saying what was found.
    """
    root = Path(path)
    if split not in _SPLIT_NAMES:
        raise DataError(f"unknown split {split!r}; known: train, val")
    if root.is_dir():
        images = _idx_file(root, split, "images-idx3")
        return _read_idx(images, _idx_file(root, split, "labels-idx1")) if images else _read_folder(root, split)
    if not root.exists():
        raise DataError(f"{root}: no such folder or archive")
    if zipfile.is_zipfile(root):
        return _group(root, split, _zip_members(root))
    if tarfile.is_tarfile(root):
        return _group(root, split, _tar_members(root))
    raise DataError(f"{root}: neither a folder nor a tar or zip archive")


_Member: TypeAlias = tuple[PurePosixPath, PictureSource]


def _read_folder(root: Path, split: str) -> PictureSet:
    return _group(root, split, [(PurePosixPath(p.relative_to(root).as_posix()), p) for p in root.rglob("*.*")])


def _tar_members(root: Path) -> list[_Member]:
    """Every picture's bytes: a compressed tar can only be read from front to back."""
    try:
        with tarfile.open(root) as archive:
            files = (member for member in archive if member.isfile() and _is_picture(PurePosixPath(member.name)))
            return _bounded(root, ((PurePosixPath(m.name), _reader(archive.extractfile(m))) for m in files))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{root}: broken archive: {error}") from None


def _zip_members(root: Path) -> list[_Member]:
    try:
        with zipfile.ZipFile(root) as archive:
            files = [info for info in archive.infolist() if _is_picture(PurePosixPath(info.filename))]
            return _bounded(root, ((PurePosixPath(i.filename), _reader(archive.open(i))) for i in files))
    except (zipfile.BadZipFile, EOFError, OSError, RuntimeError) as error:
        raise DataError(f"{root}: broken archive: {error}") from None


def _reader(file: IO[bytes] | None) -> Callable[[int], bytes]:
    assert file is not None  # a regular member always has a file
    return file.read


def _bounded(root: Path, members: Iterable[tuple[PurePosixPath, Callable[[int], bytes]]]) -> list[_Member]:
    """The members read, refused as soon as they grow past the limit: an archive of 1 MB can hold a terabyte."""
    taken: list[_Member] = []
    left = _ARCHIVE_MAX_BYTES
    for name, reader in members:
        data = reader(left + 1)
        left -= len(data)
        if left < 0:
            raise DataError(f"{root}: more than {_ARCHIVE_MAX_BYTES} bytes of pictures; unpack it and give the folder")
        taken.append((name, data))
    return taken


def _is_picture(name: PurePosixPath) -> bool:
    return name.suffix.lower() in _SUFFIXES and not any(part.startswith(".") for part in name.parts)


def _group(root: Path, split: str, members: Iterable[_Member]) -> PictureSet:
    """Pictures grouped by the two folders above them: .../SPLIT/CLASS/picture."""
    found: list[tuple[str, str, PictureSource]] = []
    for name, source in members:
        if _is_picture(name) and len(name.parts) >= 3 and name.parts[-3] in _SPLIT_NAMES[split]:
            found.append((name.parts[-2], str(name), source))
    if not found:
        wanted = " or ".join(f"{name}/CLASS/" for name in _SPLIT_NAMES[split])
        raise DataError(f"{root}: no pictures under {wanted}")
    found.sort(key=lambda entry: entry[:2])
    classes = tuple(sorted({entry[0] for entry in found}))
    index = {name: number for number, name in enumerate(classes)}
    return PictureSet(
        classes,
        [source for _, _, source in found],
        tuple(name for _, name, _ in found),
        tuple(index[class_name] for class_name, _, _ in found),
    )


def _idx_file(root: Path, split: str, kind: str) -> Path | None:
    """MNIST's own file names, dots or dashes, compressed or not."""
    for path in sorted(root.iterdir()):
        name = path.name.replace(".idx", "-idx")
        if name.startswith(f"{_IDX_NAMES[split]}-{kind}"):
            return path
    return None


def _read_idx(images_path: Path, labels_path: Path | None) -> PictureSet:
    if labels_path is None:
        raise DataError(f"{images_path}: the labels file that belongs to it is missing")
    images, labels = _idx_array(images_path, dimensions=3), _idx_array(labels_path, dimensions=1)
    if len(images) != len(labels):
        raise DataError(f"{images_path}: {len(images)} pictures, but {len(labels)} labels in {labels_path}")
    classes = tuple(str(number) for number in range(int(labels.max(initial=0)) + 1))
    names = tuple(f"{images_path.name}[{number}]" for number in range(len(images)))
    return PictureSet(classes, list(images), names, tuple(labels.tolist()))


def _idx_array(path: Path, *, dimensions: int) -> Pixels:
    """An idx file of unsigned bytes: zero, zero, 8, dimensions, each dimension as big-endian uint32, the values."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_IDX_MAX_BYTES + 1)
    except (OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes((0, 0, 8, dimensions)):
        raise DataError(f"{path}: not an idx file of unsigned bytes in {dimensions} dimensions")
    shape = struct.unpack(f">{dimensions}I", data[4:header])
    if len(data) - header != np.prod(shape, dtype=np.uint64):
        raise DataError(f"{path}: {len(data) - header} values where its header says {'x'.join(map(str, shape))}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
