"""The images in the body of a request: the body itself, the files of a form, or texts in JSON."""

from __future__ import annotations

import asyncio
import binascii
import json
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from edgekit.errors import must_be, quote, unknown
from edgekit.serve.bodies import memory_full
from edgekit.serve.form import form_files
from edgekit.serve.request_errors import BodyTooLarge, RequestError

if TYPE_CHECKING:
    from edgekit.serve.body_memory import Share
    from edgekit.serve.services import Services

_UNNAMED = "-"  # as `edgekit predict -` names the image from stdin
_KEYS = ("image", "images", "url")
# Signs between the values of a JSON document. One for each image is enough; a text may contain some more.
_MORE_SIGNS = 1000
_QUICK_BYTES = 2**20  # a form of this size is parsed in at most 35 ms; other requests need not wait for a larger one


class ImageFile(BytesIO):
    """The bytes of an image, with the name that messages call it."""

    def __init__(self, name: str, content: bytes) -> None:
        super().__init__(content)
        self.name = name


class NamedImage(NamedTuple):
    """An image of a request: its name in the result, and its bytes."""

    name: str
    source: bytes | ImageFile


class Images(NamedTuple):
    """The images of a request, and whether it is a list, even of one. Otherwise it is one image."""

    images: list[NamedImage]
    is_list: bool = False


async def images_of(body: bytes, content_type: str, services: Services, fetched: Share) -> Images:
    """The images in a body. A form with one file is one image.

    Args:
        body: as it was received.
        content_type: multipart/form-data is a form, application/json is JSON, and anything else is an image.
        services: whose limits apply.
        fetched: the memory that images from addresses take.

    Raises:
        BodyTooLarge: there are more images than allowed.
        Busy: too many images are being fetched, or fill the memory.
        ImageError: an address has no image.
        RequestError: the body is malformed.
    """
    kind, most = content_type.partition(";")[0].strip().lower(), services.settings.max_images
    if kind == "multipart/form-data":
        parse = partial(form_files, body, content_type, most=most)
        files = parse() if len(body) <= _QUICK_BYTES else await asyncio.to_thread(parse)
        images = [NamedImage(file.name, ImageFile(file.name, file.content)) for file in files]
        return Images(images, is_list=len(images) > 1)
    if kind != "application/json":
        return Images([NamedImage(_UNNAMED, body)])
    key, value = json_entry(body, most=most)
    if key == "image":
        return Images([NamedImage(_UNNAMED, _from_base64(value, "image"))])
    if key == "url":
        return Images([await _fetched(value, services, fetched)])
    return Images(_listed(value, most=most), is_list=True)


def json_entry(body: bytes, *, most: int) -> tuple[str, Any]:
    """The only entry of a JSON object that has one of the keys image, images and url.

    Raises:
        BodyTooLarge: the document has more values than `most` images need.
        RequestError: it is something else.
    """
    if sum(map(body.count, (b"[", b"{", b","))) > most + _MORE_SIGNS:  # before they take memory
        raise BodyTooLarge(f"the JSON has more values than a request of {most} images")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:  # not JSON, not UTF-8, too many digits or levels
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RequestError(f"the JSON must be an object with image, images or url (got {quote(document)})")
    for key in document:
        if key not in _KEYS:
            raise RequestError(unknown("key", key, _KEYS))
    if len(document) != 1:
        raise RequestError(f"the JSON must have one of image, images and url (got {', '.join(document) or 'none'})")
    return next(iter(document.items()))


def _listed(values: Any, *, most: int) -> list[NamedImage]:
    if not isinstance(values, list) or not values:
        raise RequestError(must_be("images", "a list of at least one image in base64", values))
    if len(values) > most:
        raise BodyTooLarge(f"`images` has more than the limit of {most} images")
    names = [f"images[{number}]" for number in range(len(values))]
    return [
        NamedImage(name, ImageFile(name, _from_base64(value, name))) for name, value in zip(names, values, strict=True)
    ]


def _from_base64(text: Any, name: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except (TypeError, ValueError):
        raise RequestError(must_be(name, "the bytes of an image in base64, without line breaks", text)) from None


async def _fetched(url: Any, services: Services, fetched: Share) -> NamedImage:
    if not services.settings.allow_urls:
        raise RequestError("this server fetches no images from URLs; send the image itself")
    if not isinstance(url, str):
        raise RequestError(must_be("url", "an http or https address", url))
    content = await services.urls.fetch(url)
    if not fetched.add(len(content)):
        raise memory_full(services)
    return NamedImage(url, ImageFile(url, content))
