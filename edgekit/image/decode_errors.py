"""What is wrong with an image that no decoder accepts, in one line."""

from __future__ import annotations

import struct

from edgekit.errors import DISTRIBUTION, ImageError
from edgekit.image.decode_limits import TooManyReads
from edgekit.image.formats import FORMATS, decoded_format, is_heif, other_format
from edgekit.image.source import error_text

# Pillow's words
_PAST_THE_END = ("truncated", "expecting to read")
_WITHOUT_PIXELS = ("not identified by this driver", "cannot load this image")


def unidentified(data: bytes, name: str) -> ImageError:
    """The error for a file that is in none of the formats as far as Pillow can tell.

    Args:
        data: the file.
        name: what the message calls it.
    """
    other, damaged = other_format(data), decoded_format(data)
    if is_heif(data):
        reason = f"HEIF images need the package pillow-heif; run: pip install '{DISTRIBUTION}[heif]'"
    elif other:
        reason = f"{other} is not supported; convert it to JPEG or PNG"
    elif damaged:
        reason = f"the header of the {damaged} is damaged, cut off or not supported; convert it to JPEG or PNG"
    else:
        reason = f"not an image in a supported format ({', '.join(FORMATS)})"
    return ImageError(f"{name}: {reason}")


def undecodable(error: Exception, name: str, *, data: bytes = b"") -> ImageError:
    """The error for an image that its decoder rejects.

    Args:
        error: what the decoder raised.
        name: what the message calls the image.
        data: the file, if the error may be that of its header.
    """
    text = error_text(error)
    if isinstance(error, TooManyReads):
        return ImageError(f"{name}: {text}")
    original = error.__cause__ or error  # Pillow wraps what it did not expect
    ends = isinstance(original, EOFError | struct.error) or any(words in text.lower() for words in _PAST_THE_END)
    if ends or _is_cut_webp(data):
        text = "it ends too early; copy or download it again"
    elif text in _WITHOUT_PIXELS:
        text = "it has no pixels"
    elif isinstance(original, LookupError | TypeError | ValueError):
        text = f"its header is damaged ({text})"
    return ImageError(f"{name}: broken image: {text}")


def _is_cut_webp(data: bytes) -> bool:
    """Whether a file is shorter than its RIFF header says; its decoder raises the same error for whatever is wrong."""
    return decoded_format(data) == "WEBP" and len(data) < 8 + int.from_bytes(data[4:8], "little")
