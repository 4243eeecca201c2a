"""From the names that a user gives to images: files, folders, patterns, web addresses, standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from math import inf
from typing import IO, TYPE_CHECKING, NamedTuple

from edgekit.errors import DataError, ImageError
from edgekit.files import check_regular_file, read_regular_file
from edgekit.image.source import ImageSource

if TYPE_CHECKING:
    from edgekit.walk import Item

STDIN = "-"
_MAX_LIST_BYTES = 2**28
_PIECE_BYTES = 2**16
_MAGIC = re.compile(r"[*?[]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")


class NamedSource(NamedTuple):
    """One image: its name in the results, and its source, or the error if there is no image."""

    name: str
    source: ImageSource | ImageError


def find_images(
    names: Iterable[str],
    *,
    stdin: IO[bytes] | None = None,
    timeout_s: float | None = None,
    skipped: str | os.PathLike[str] | None = None,
) -> Iterator[NamedSource]:
    """Yield the images behind the names, in their order, as they are found.

    Links are followed, but no folder is entered twice, and hidden ones never.

    Args:
        names: each is a file; a folder, for all images in it and its folders, in natural order (2 before 10); a pattern
            with *, ?, [...] or **, in the same order; an http or https address; or - for `stdin`. A name without an
            image yields a NamedSource whose source is an ImageError.
        stdin: the file that - stands for; without it, - is a file name.
        timeout_s: seconds allowed for fetching one address; 30 by default.
        skipped: a folder that is not entered.
    """
    for name in names:
        if name == STDIN and stdin is not None:
            yield NamedSource(name, stdin)
        elif os.path.isdir(name):  # noqa: PTH112  (it never raises, whatever the name)
            yield from _of_folder(name, skipped)
        elif os.path.lexists(name):
            yield NamedSource(name, name)
        elif _SCHEME.match(name):
            yield NamedSource(name, _web_image(name, timeout_s))
        elif _MAGIC.search(name):
            yield from _of_pattern(name, skipped)
        else:
            yield NamedSource(name, name)  # opening it reports what is wrong


def read_list(path: str, *, stdin: IO[bytes] | None = None) -> list[str]:
    """Read names from a text file: one per line, or separated by NUL as `find -print0` writes them.

    Empty lines are left out. `-` reads `stdin`. Raises DataError if the file cannot be read.
    """
    if path == STDIN and stdin is not None:
        data = stdin.read(_MAX_LIST_BYTES + 1)
        if len(data) > _MAX_LIST_BYTES:
            raise DataError(f"{STDIN}: more than the limit of {_MAX_LIST_BYTES} bytes")
    else:
        data = read_regular_file(path, max_bytes=_MAX_LIST_BYTES, error=DataError)
    separator = b"\0" if b"\0" in data else b"\n"
    lines = (line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(separator))
    return [os.fsdecode(line) for line in lines if line]


def names_in_list(path: str, *, stdin: IO[bytes] | None = None) -> Iterator[str]:
    """Yield the names of a list of any length, which is read piece by piece; otherwise as `read_list`.

    Args:
        path: of the list.
        stdin: the file that - stands for; without it, - is a file name.

    Raises:
        DataError: the list cannot be read.
    """
    try:
        if path == STDIN and stdin is not None:
            yield from _names(stdin)
            return
        check_regular_file(path, error=DataError)
        with open(path, "rb") as file:
            yield from _names(file)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None


def _names(file: IO[bytes]) -> Iterator[str]:
    rest = file.read(_PIECE_BYTES).removeprefix(b"\xef\xbb\xbf")
    separator = b"\0" if b"\0" in rest else b"\n"
    while True:
        *lines, rest = rest.split(separator)
        yield from (os.fsdecode(line) for raw in lines if (line := raw.removesuffix(b"\r")))
        piece = file.read(_PIECE_BYTES)
        if not piece:
            break
        rest += piece
    if last := rest.removesuffix(b"\r"):
        yield os.fsdecode(last)


def _web_image(name: str, timeout_s: float | None) -> ImageSource | ImageError:
    scheme = name.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        return ImageError(f"{name}: images can be fetched by http and https, not by {scheme}")
    from edgekit.hub.web_image import DEFAULT_TIMEOUT_S, WebImage  # here, because most images are files

    return WebImage(name, timeout_s=DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s)


def _of_folder(folder: str, skipped: str | os.PathLike[str] | None) -> Iterator[NamedSource]:
    from edgekit.image.formats import is_image_name
    from edgekit.walk import walk  # here, because most images are files

    images = (
        _named_source(item)
        for item in walk(folder, skipped=skipped)
        if item.error or (not item.is_folder and is_image_name(item.path))
    )
    yield from _or_error(images, folder, "no images in this folder")


def _of_pattern(pattern: str, skipped: str | os.PathLike[str] | None) -> Iterator[NamedSource]:
    from pathlib import Path  # as above

    from edgekit.walk import walk

    root, wanted = "", list(Path(pattern).parts)
    while wanted and not _is_pattern(root, wanted[0]):
        root = os.path.join(root, wanted.pop(0))  # noqa: PTH118  (no root is no ".")
    begin = len(Path(root).parts)
    items = walk(root, deepest=inf if "**" in wanted else len(wanted), skipped=skipped) if wanted else ()
    matching = (
        _named_source(item)
        for item in items
        if item.error or (not item.is_folder and _matches(Path(item.path).parts[begin:], tuple(wanted)))
    )
    yield from _or_error(matching, pattern, "no such file, and no file matches this pattern")


def _is_pattern(folder: str, part: str) -> bool:
    """Whether a part of a path is a pattern: it may also be the name of a file or folder with brackets in it."""
    return _MAGIC.search(part) is not None and not os.path.lexists(os.path.join(folder, part))  # noqa: PTH118


def _named_source(item: Item) -> NamedSource:
    """The file, or the error in place of a folder that cannot be read."""
    error = item.error and ImageError(f"{item.path}: the folder cannot be read: {item.error}")
    return NamedSource(item.path, error or item.path)


def _or_error(sources: Iterator[NamedSource], name: str, reason: str) -> Iterator[NamedSource]:
    """The sources, or an error if there is none."""
    first = next(sources, None)
    yield first or NamedSource(name, ImageError(f"{name}: {reason}"))
    yield from sources


def _matches(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern, in which ** matches any number."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_matches(parts[begin:], wanted[1:]) for begin in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])
