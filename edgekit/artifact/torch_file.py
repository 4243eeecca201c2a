"""The two forms of PyTorch checkpoints (.pth): a zip archive, and before torch 1.6 pickles one after the other.

Nothing is copied: a storage is a part of the file's bytes. Reference: torch/serialization.py, `_save` and
`_legacy_save`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple

import numpy as np

from edgekit.artifact.tensor_pickle import Storage, read_pickle
from edgekit.errors import quote

_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
# The number at the start of the older form, of three pickles before the one with the content.
_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_CENTRAL_ENTRY, _MAX_ENTRIES = b"PK\x01\x02", 100_000
_LOCAL_HEADER_BYTES = 30
_ITEM_BYTES = {"bfloat16": 2}


class TorchFile(NamedTuple):
    """What a checkpoint contains.

    Attributes:
        content: what was saved: dicts and lists of numbers, texts and StoredTensor.
        storage: returns the bytes of a storage. It raises ValueError if the file does not have them.
    """

    content: object
    storage: Callable[[Storage], memoryview]


def item_bytes(dtype: str) -> int:
    """Return the size of one number of a storage in bytes."""
    return _ITEM_BYTES.get(dtype) or np.dtype(dtype).itemsize


def read_torch_file(data: bytes) -> TorchFile:
    """Read a checkpoint in either form.

    Args:
        data: content of the file.

    Raises:
        ForeignObject: it contains something other than plain tensors.
        Exception: of any class, if the file is corrupt.
    """
    if data.startswith(_ZIP):
        return _read_zip(data)
    if data.startswith(_PICKLE):
        return _read_pickles(data)
    raise ValueError(f"it starts with {data[:8]!r}" if data else "it is empty")


def _read_zip(data: bytes) -> TorchFile:
    if data.count(_CENTRAL_ENTRY) > _MAX_ENTRIES:
        raise ValueError(f"an archive with more than {_MAX_ENTRIES} files")
    with zipfile.ZipFile(BytesIO(data)) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    (root,) = (name.removesuffix("data.pkl") for name in entries if name.endswith("/data.pkl") and name.count("/") == 1)
    if f"{root}constants.pkl" in entries:
        raise ValueError("a TorchScript program, not a state dict")

    def entry(name: str) -> memoryview:
        if root + name not in entries:
            raise ValueError(f"it has no {quote(root + name)}")
        return _stored(data, entries[root + name])

    if f"{root}byteorder" in entries and bytes(entry("byteorder")) != b"little":
        raise ValueError("its numbers are big-endian")
    content = read_pickle(BytesIO(entry("data.pkl"))).value
    return TorchFile(content, lambda storage: _part(entry(f"data/{storage.key}"), storage))


def _stored(data: bytes, entry: zipfile.ZipInfo) -> memoryview:
    """The bytes of a file in the archive. torch compresses none, and 200 kB may decompress to 200 MB."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{quote(entry.filename)} is compressed, as torch never writes it")
    header = data[entry.header_offset : entry.header_offset + _LOCAL_HEADER_BYTES]
    if not header.startswith(_ZIP):
        raise ValueError("a corrupt archive")
    # The lengths of the name and of the padding after it: in the local header the latter differs.
    name_bytes, extra_bytes = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    start = entry.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
    if start + entry.file_size > len(data):
        raise ValueError("the file is truncated")
    return memoryview(data)[start : start + entry.file_size]


def _read_pickles(data: bytes) -> TorchFile:
    file = BytesIO(data)
    if (read_pickle(file).value, read_pickle(file).value) != (_MAGIC, _VERSION):
        raise ValueError("a pickle that was not written by torch.save")
    system = read_pickle(file).value
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise ValueError("its numbers are big-endian")
    content, storages = read_pickle(file)
    keys = read_pickle(file).value
    if not isinstance(keys, list) or not storages.keys() >= set(keys):
        raise ValueError("a corrupt list of storages")
    # One after the other, each after the number of its items.
    parts: dict[str, memoryview] = {}
    position = file.tell()
    for key in keys:
        start = position + 8
        position = start + int.from_bytes(data[position:start], "little") * item_bytes(storages[key].dtype)
        parts[key] = memoryview(data)[start:position]
    if position > len(data):
        raise ValueError("the file is truncated")
    return TorchFile(content, lambda storage: _part(parts[storage.key], storage))


def _part(storage_bytes: memoryview, storage: Storage) -> memoryview:
    """The bytes that belong to the storage."""
    size = item_bytes(storage.dtype)
    part = storage_bytes[storage.first * size : (storage.first + storage.size) * size]
    if len(part) != storage.size * size:
        raise ValueError(f"the storage {quote(storage.key)} is shorter than its {storage.size} numbers")
    return part
