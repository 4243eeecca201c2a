"""Fuzz the reading of archives and idx files: zip, tar, tar.gz and idx files with small images, mutated.

python scripts/fuzz_archives.py [--count 2500] [--seed 0]
"""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import zipfile
from pathlib import Path

from fuzzing import Trial, main, mutated
from PIL import Image

from edgekit import dataset

NAMES = tuple(f"{split}/{name}/{number}.png" for split in ("train", "val") for name in ("a", "b") for number in (1, 2))


def prepare(folder: Path) -> Trial:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG")
    files = {"a.zip": zipped(buffer.getvalue())}
    files |= {f"a.tar{suffix}": tarred(buffer.getvalue(), mode) for suffix, mode in ((".gz", "w:gz"), ("", "w"))}
    labels = struct.pack(">4BI", 0, 0, 8, 1, 2) + bytes((0, 1))
    images = struct.pack(">4B3I", 0, 0, 8, 3, 2, 4, 4) + bytes(32)
    (folder / "idx").mkdir()
    (folder / "idx/train-labels-idx1-ubyte").write_bytes(labels)
    files |= {"idx/train-images-idx3-ubyte.gz": gzip.compress(images), "idx/train-images-idx3-ubyte": images}

    def trial(rng: random.Random) -> None:
        name = rng.choice(tuple(files))
        path = folder / name
        path.write_bytes(mutated(files[name], rng, other=rng.choice(tuple(files.values()))))
        try:
            dataset.read(path.parent if "idx" in name else path, "train")
        finally:
            path.unlink()

    return trial


def zipped(image: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in NAMES:
            archive.writestr(name, image)
    return buffer.getvalue()


def tarred(image: bytes, mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name in NAMES:
            info = tarfile.TarInfo(name)
            info.size = len(image)
            archive.addfile(info, io.BytesIO(image))
    return buffer.getvalue()


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=2_500)
