"""From the names that a user gives to images: files, folders, patterns, web addresses, standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from math import inf
from typing import IO, NamedTuple

from edgekit.errors import DataError, ImageError
from edgekit.files import read_regular_file
from edgekit.image.source import ImageSource

STDIN = "-"
_MAX_LIST_BYTES = 2**28
_MAGIC = re.compile(r"[*?[]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_NUMBER = re.compile("[0-9]+")


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
        data = stdin.read(_MAX_LIST_BYTES)
    else:
        data = read_regular_file(path, max_bytes=_MAX_LIST_BYTES, error=DataError)
    separator = b"\0" if b"\0" in data else b"\n"
    lines = (line.removesuffix(b"\r") for line in data.removeprefix(b"\xef\xbb\xbf").split(separator))
    return [os.fsdecode(line) for line in lines if line]


def _web_image(name: str, timeout_s: float | None) -> ImageSource | ImageError:
    scheme = name.partition(":")[0].lower()
    if scheme not in ("http", "https"):
        return ImageError(f"{name}: images can be fetched by http and https, not by {scheme}")
    from edgekit.hub.web_image import DEFAULT_TIMEOUT_S, WebImage  # here, because most images are files

    return WebImage(name, timeout_s=DEFAULT_TIMEOUT_S if timeout_s is None else timeout_s)


def _of_folder(folder: str, skipped: str | os.PathLike[str] | None) -> Iterator[NamedSource]:
    from pathlib import Path, PurePosixPath  # here, because most images are files

    from edgekit.dataset.folders import is_image_path  # its package reads archives too

    found = False
    for entry in _walk(folder, deepest=inf, skipped=skipped):
        if isinstance(entry.source, ImageError) or is_image_path(PurePosixPath(Path(entry.name).name)):
            found = True
            yield entry
    if not found:
        yield NamedSource(folder, ImageError(f"{folder}: no images in this folder"))


def _of_pattern(pattern: str, skipped: str | os.PathLike[str] | None) -> Iterator[NamedSource]:
    from pathlib import Path  # as above

    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if _MAGIC.search(part))
    root, wanted = os.path.join("", *parts[:fixed]), parts[fixed:]  # noqa: PTH118  (no root is no ".")
    found = False
    for entry in _walk(root, deepest=inf if "**" in wanted else len(wanted), skipped=skipped):
        if isinstance(entry.source, ImageError) or _matches(Path(entry.name).parts[fixed:], wanted):
            found = True
            yield entry
    if not found:
        yield NamedSource(pattern, ImageError(f"{pattern}: no such file, and no file matches this pattern"))


def _matches(parts: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether the parts of a path match those of a pattern, in which ** matches any number."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(_matches(parts[begin:], wanted[1:]) for begin in range(len(parts) + 1))
    return bool(parts) and fnmatch(parts[0], wanted[0]) and _matches(parts[1:], wanted[1:])


def _walk(root: str, *, deepest: float, skipped: str | os.PathLike[str] | None) -> Iterator[NamedSource]:
    """Yield every file in the folder and, to `deepest` levels, in its folders, which are sorted among the files.

    A folder that cannot be read yields an ImageError in its place. Each real folder is entered once, despite links.
    """
    seen = set() if skipped is None else {_identity(skipped)}
    levels = [_entries(root, seen)]
    while levels:
        entry = next(levels[-1], None)
        if entry is None:
            levels.pop()
        elif not isinstance(entry, NamedSource):
            if len(levels) < deepest:
                levels.append(_entries(entry, seen))
        else:
            yield entry


def _entries(folder: str, seen: set[tuple[int, int] | None]) -> Iterator[NamedSource | str]:
    """The files in a folder and the paths of its folders, in natural order; nothing for a folder seen before."""
    identity = _identity(folder or os.curdir)
    if identity is not None and identity in seen:
        return
    seen.add(identity)
    try:
        with os.scandir(folder or os.curdir) as entries:
            folders = {entry.name: _is_folder(entry) for entry in entries if not entry.name.startswith(".")}
    except OSError as error:
        yield NamedSource(folder, ImageError(f"{folder}: the folder cannot be read: {error.strerror or error}"))
        return
    for name in sorted(sorted(folders), key=_natural):
        path = os.path.join(folder, name)  # noqa: PTH118  (a hundred thousand Paths take seconds)
        yield path if folders[name] else NamedSource(path, path)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(folder: str | os.PathLike[str]) -> tuple[int, int] | None:
    """What identifies a folder, whatever its path; None if there is no such folder."""
    try:
        status = os.stat(folder)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def _natural(name: str) -> str:
    """A sorting key by which 2 comes before 10: each number is preceded by its length."""
    return _NUMBER.sub(lambda number: f"{len(number[0].lstrip('0')):03}{number[0].lstrip('0')}", name.casefold())
