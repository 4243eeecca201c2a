"""What an image may come from, and its encoded bytes: a path, bytes, a file object."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from edgekit.errors import ImageError
from edgekit.files import read_regular_file

if TYPE_CHECKING:
    import numpy.typing as npt

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes] | Image.Image | Pixels"


class EncodedImage(NamedTuple):
    """The bytes of an image file, and what messages call it."""

    name: str
    data: bytes


def read_encoded(source: str | os.PathLike[str] | bytes | IO[bytes], *, max_bytes: int) -> EncodedImage:
    """The encoded bytes. Raises ImageError for what cannot be read, is empty or is larger than max_bytes."""
    if isinstance(source, bytes | bytearray | memoryview):
        name, data = f"{len(source)} bytes", bytes(source)
    elif isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        data = read_regular_file(name, max_bytes=max_bytes, error=ImageError)
    elif hasattr(source, "read"):
        name = str(getattr(source, "name", "the file object"))
        data = _read_file_object(source, name, max_bytes)
    else:
        raise ImageError(
            f"cannot read an image from {type(source).__name__}; give a path, bytes, a binary file, "
            "a PIL image or a uint8 array"
        )
    if not data:
        raise ImageError(f"{name}: the file is empty")
    if len(data) > max_bytes:
        raise ImageError(f"{name}: larger than the limit of {max_bytes} bytes; raise max_bytes to allow it")
    return EncodedImage(name, data)


def _read_file_object(file: IO[bytes], name: str, max_bytes: int) -> bytes:
    """All of it, as far as the limit: a pipe or a socket answers in pieces."""
    pieces, left = [], max_bytes + 1
    while left > 0:
        try:
            piece = file.read(left)
        except (OSError, ValueError) as error:  # closed, not readable, gone
            raise ImageError(f"{name}: cannot be read: {reason(error)}") from None
        if not isinstance(piece, bytes):
            raise ImageError(f"{name}: reading gave {type(piece).__name__}, not bytes; open the file in binary mode")
        if not piece:
            break
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def reason(error: Exception) -> str:
    """What a reader's or decoder's error says; some say nothing."""
    return str(error) or type(error).__name__
