"""Tar and Parquet shards, written by Python's tarfile and by pyarrow."""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(value: int, *, kind: str = "PNG") -> bytes:
    """A small gray image of one value."""
    file = io.BytesIO()
    Image.fromarray(np.full((6, 8), value, np.uint8)).save(file, kind)
    return file.getvalue()


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], *, format: int = tarfile.PAX_FORMAT) -> Path:
    """A tar file of members (name, content), compressed if the name ends with .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w", format=format) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def web_dataset(values: Iterable[int], *, first: int = 0) -> list[tuple[str, bytes]]:
    """The members of a shard in WebDataset's layout: an image for each value, and its label, 0 below 128 and else 1."""
    members = []
    for number, value in enumerate(values, first):
        members += [(f"{number:06}.png", encoded(value)), (f"{number:06}.cls", str(int(value >= 128)).encode())]
    return members


def hugging_face(values: Iterable[int], names: tuple[str, ...] = ("dark", "bright")):
    """A pyarrow table as the `datasets` library writes it: a struct of bytes and path, ClassLabel names as metadata."""
    import json

    import pyarrow as pa

    values = list(values)
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": [{"bytes": encoded(value), "path": f"{value}.png"} for value in values],
            "label": [int(value >= 128) for value in values],
        }
    )
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
