"""What an engine's rows have for images, as what `Predictor.predict` accepts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from PIL import Image

from edgekit.errors import DataError, ImageError
from edgekit.hub.web_image import WebImage
from edgekit.image.source import ImageSource, StoredImage
from edgekit.shards import open_store
from edgekit.shards.stores import Store, is_uri, split_query

if TYPE_CHECKING:
    import numpy.typing as npt

_SPARK_FIELDS = frozenset({"height", "width", "nChannels", "data"})


def image_source(value: object) -> ImageSource | ImageError:
    """The image that a value of a row stands for; an ImageError if it cannot be one.

    Args:
        value: path, web address, URI of an object store, encoded bytes, uint8 array, nested lists of integers from 0
            to 255, or a struct: {"bytes", "path"} as in the data sets of Hugging Face, or Spark's {"height", "width",
            "nChannels", "data"}, whose channels are in the order BGR.
    """
    if isinstance(value, str) and is_uri(value):
        is_web = value.lower().startswith(("http://", "https://"))
        return WebImage(value) if is_web else _FileInStore(value)
    if isinstance(value, Mapping):
        return _image_in(value)
    if isinstance(value, list) or (isinstance(value, np.ndarray) and value.dtype == object):
        return _pixels(value)
    return cast(ImageSource, value)  # what else is no image is reported where the image is opened


class _Location(NamedTuple):
    uri: str


class _FileInStore(_Location, StoredImage):
    """An image file in an object store."""

    @property
    def name(self) -> str:
        return self.uri

    @property
    def size_bytes(self) -> int | None:
        return None

    def read_bytes(self, *, max_bytes: int) -> bytes:
        try:
            return _store_of(self.uri).read(self.uri, max_bytes=max_bytes)
        except DataError as error:
            raise ImageError(str(error)) from None


def _store_of(uri: str) -> Store:
    bare, query = split_query(uri)
    scheme, _, path = bare.partition("://")
    return _open_store(f"{scheme}://{path.partition('/')[0]}{query}")


@lru_cache(maxsize=16)
def _open_store(bucket: str) -> Store:
    """The store of a bucket, which keeps its connections from image to image."""
    return open_store(bucket)


def _image_in(struct: Mapping[str, object]) -> ImageSource | ImageError:
    if struct.keys() >= _SPARK_FIELDS:
        return _spark_image(struct)
    for name in ("bytes", "path"):
        if struct.get(name) is not None:
            return image_source(struct[name])
    return ImageError('the struct has no image: it needs a value in "bytes" or "path"')


def _spark_image(struct: Mapping[str, object]) -> ImageSource | ImageError:
    shape = tuple(cast(int, struct[name]) for name in ("height", "width", "nChannels"))
    try:
        pixels = np.frombuffer(cast(bytes, struct["data"]), np.uint8).reshape(shape)
    except (ValueError, TypeError):
        return ImageError(f"the data of the image struct are not the bytes of an image of shape {shape}")
    if shape[2] >= 3:
        pixels = np.concatenate([pixels[..., 2::-1], pixels[..., 3:]], axis=2)
    return Image.fromarray(pixels.squeeze(2) if shape[2] == 1 else pixels)


def _pixels(nested: object) -> ImageSource | ImageError:
    """Pixels of lists in lists, and of arrays in arrays."""
    try:
        values = _array(nested)
    except (ValueError, TypeError):
        values = np.empty(0)
    if values.dtype.kind not in "iu" or values.min() < 0 or values.max() > 255:
        return ImageError("nested lists must be the pixels of an image: (H, W, channels) integers from 0 to 255")
    return values.astype(np.uint8)


def _array(nested: object) -> npt.NDArray[Any]:
    if isinstance(nested, list) or (isinstance(nested, np.ndarray) and nested.dtype == object):
        return np.stack([_array(item) for item in nested])
    return np.asarray(nested)
