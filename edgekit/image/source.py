"""What an image can be read from, and how its encoded bytes are read: a path, bytes, a file object, part of a file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from edgekit.errors import ImageError
from edgekit.files import read_regular_file

if TYPE_CHECKING:
    import numpy.typing as npt

Pixels: TypeAlias = "npt.NDArray[np.uint8]"
ImageSource: TypeAlias = (
    "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | StoredImage | Image.Image | Pixels"
)


class StoredImage(ABC):
    """An image inside of a larger file, or in an object store: read anew whenever it is needed, from any thread.

    Unlike a file object it has no position, so that it may be read several times and sent to other processes.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """What messages call the image."""

    @property
    @abstractmethod
    def size_bytes(self) -> int | None:
        """Size of the encoded image in bytes; None if it is not known before reading."""

    @abstractmethod
    def read_bytes(self, *, max_bytes: int) -> bytes:
        """Read the encoded image.

        Args:
            max_bytes: largest accepted size in bytes.

        Raises:
            ImageError: it cannot be read, or is larger.
        """


class EncodedImage(NamedTuple):
    """The bytes of an image file.

    Attributes:
        name: what messages call the image.
        data: the content of the file.
    """

    name: str
    data: bytes


def read_encoded(
    source: str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | StoredImage, *, max_bytes: int
) -> EncodedImage:
    """Read the encoded bytes of an image.

    Args:
        source: path to a regular file, bytes, a file object opened in binary mode, or a stored image.
        max_bytes: largest accepted file size in bytes.

    Raises:
        ImageError: the source cannot be read, is empty, is larger than `max_bytes`, or is of another type.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        name, data = f"{len(source)} bytes", bytes(source)
    elif isinstance(source, str | os.PathLike):
        name = os.fsdecode(source)
        data = read_regular_file(name, max_bytes=max_bytes, error=ImageError, hint="; raise `max_bytes` to allow it")
    elif isinstance(source, StoredImage):
        name, data = source.name, source.read_bytes(max_bytes=max_bytes)
    elif hasattr(source, "read"):
        name = str(getattr(source, "name", "file object"))
        data = _read_file_object(source, name, max_bytes)
    else:
        raise ImageError(
            f"cannot read an image from an object of type {type(source).__name__}; pass a path, bytes, a binary file, "
            "a PIL image or a uint8 array"
        )
    if not data:
        raise ImageError(f"{name}: the file is empty")
    if len(data) > max_bytes:
        raise ImageError(f"{name}: larger than the limit of {max_bytes} bytes; raise `max_bytes` to allow it")
    return EncodedImage(name, data)


def _read_file_object(file: IO[bytes], name: str, max_bytes: int) -> bytes:
    """Read to the end, or one byte past the limit. Pipes and sockets return their content in pieces."""
    pieces, remaining = [], max_bytes + 1
    while remaining > 0:
        try:
            piece = file.read(remaining)
        except (OSError, ValueError) as error:  # closed, not readable, disconnected
            raise ImageError(f"{name}: cannot be read: {error_text(error)}") from None
        if not isinstance(piece, bytes):
            raise ImageError(f"{name}: `read` returned {type(piece).__name__}, not bytes; open the file in binary mode")
        if not piece:
            break
        pieces.append(piece)
        remaining -= len(piece)
    return b"".join(pieces)


def error_text(error: Exception) -> str:
    """Return the message of an exception, or its class name if it has none."""
    return str(error) or type(error).__name__
