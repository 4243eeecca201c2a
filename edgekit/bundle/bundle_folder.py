"""The folder of a bundle: written beside its place under another name, then renamed, so that it is whole or not there.

bundle.json in it lists its files. An existing folder is replaced only if it is empty, or contains a bundle for the same
platform and nothing else: a person's own file is never deleted.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from edgekit.artifact.json_document import parse_json_object
from edgekit.bundle.golden_vectors import json_bytes
from edgekit.errors import ArtifactError, EdgekitError, SpecError, quote
from edgekit.files import lock_file, read_regular_file, sha256, write_atomically

MANIFEST = "bundle.json"
_MAX_MANIFEST_BYTES = 2**20


class BundleFile(NamedTuple):
    """A file of a bundle.

    Attributes:
        name: its path in the bundle, with slashes.
        bytes: its size.
    """

    name: str
    bytes: int


def check_folder(folder: Path, *, platform: str, inputs: Sequence[Path]) -> None:
    """Check that a bundle can be written to a folder.

    Args:
        folder: the folder.
        platform: of the bundle.
        inputs: files that the bundle is made from.

    Raises:
        SpecError: it is in use, as the message states.
        EdgekitError: it cannot be read.
    """
    place = _resolved(folder)
    try:
        if place.exists():
            _check_existing(folder, place, platform=platform, inputs=inputs)
    except OSError as error:
        raise EdgekitError(f"{quote(str(folder))}: cannot be read: {error.strerror}") from None


def _check_existing(folder: Path, place: Path, *, platform: str, inputs: Sequence[Path]) -> None:
    if not place.is_dir():
        raise SpecError(f"{folder}: is a file; choose a new folder")
    if Path.cwd().is_relative_to(place):
        raise SpecError(f"{folder}: is the current folder or above it, and cannot be replaced; choose a new folder")
    inside = [path for path in inputs if path.resolve().is_relative_to(place)]
    if inside:
        raise SpecError(f"{folder}: contains the model {inside[0].name}, which it would replace; choose another folder")
    if any(place.iterdir()):
        _check_bundle(folder, platform)


def _check_bundle(folder: Path, platform: str) -> None:
    manifest = _read_manifest(folder / MANIFEST)
    if manifest is None:
        raise SpecError(f"{folder}: is not empty, and not a bundle of edgekit; choose a new folder")
    if manifest["platform"] != platform:
        raise SpecError(f"{folder}: contains a bundle for {quote(manifest['platform'])}; choose another folder")
    foreign = sorted({*_files(folder)} - {MANIFEST, *manifest["files"]})
    if foreign:
        raise SpecError(f"{folder}: contains {quote(foreign[0])}, which is not part of the bundle; move it elsewhere")


def _read_manifest(path: Path) -> dict[str, Any] | None:
    """Read bundle.json; None if there is none, or another program wrote it."""
    try:
        text = read_regular_file(path, max_bytes=_MAX_MANIFEST_BYTES, error=ArtifactError).decode()
        manifest = parse_json_object(text, what=MANIFEST)
    except (ArtifactError, UnicodeDecodeError):
        return None
    is_ours = isinstance(manifest.get("platform"), str) and isinstance(manifest.get("files"), dict)
    return manifest if is_ours and "edgekit" in manifest else None


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to write to, which takes the place of another at the end, unless there was an error.

    Args:
        folder: the folder to replace; its parents are created if necessary.

    Raises:
        EdgekitError: it cannot be written, or another process is writing it.
    """
    place = _resolved(folder)
    key = f"{zlib.crc32(place.name.encode(errors='surrogateescape')):08x}"
    lock, staging, old = (place.with_name(f".edgekit-{key}-{kind}") for kind in ("lock", "new", "old"))
    try:
        with _only_writer(folder, lock):
            if old.exists() and not place.exists():  # killed in between
                old.rename(place)
            for abandoned in (staging, old):  # by a run that was killed
                shutil.rmtree(abandoned, ignore_errors=True)
            staging.mkdir()
            try:
                yield staging
                _exchange(staging, place, old)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise EdgekitError(f"{folder}: cannot be written: {error.strerror or error}") from None
    except EdgekitError as error:  # about a file in the folder, by the name that it will have
        error.args = (str(error).replace(str(staging), str(folder)), *error.args[1:])
        raise


@contextmanager
def _only_writer(folder: Path, lock: Path) -> Iterator[None]:
    """Keep a lock file locked meanwhile. Raises EdgekitError if another process has locked it."""
    with suppress(FileExistsError):  # a file in its place is reported when the lock is opened
        lock.parent.mkdir(parents=True)
    file = lock.open("ab")
    if not lock_file(file.fileno()):
        file.close()
        raise EdgekitError(f"{folder}: another process is writing it; try again when that has finished")
    try:
        yield
    finally:
        file.close()  # first, because Windows deletes no open file
        lock.unlink(missing_ok=True)


def _exchange(new: Path, place: Path, old: Path) -> None:
    if place.exists():
        shutil.copymode(place, new)
        place.rename(old)
    try:
        new.rename(place)
    except BaseException:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def finished(folder: Path) -> tuple[BundleFile, ...]:
    """List the files of a bundle in its bundle.json, and return them with their sizes.

    Args:
        folder: of the bundle.
    """
    path = folder / MANIFEST
    manifest = parse_json_object(path.read_text(encoding="utf-8"), what=MANIFEST)
    digests = {name: sha256((folder / name).read_bytes()) for name in _files(folder) if name != MANIFEST}
    write_atomically(path, json_bytes(manifest | {"files": digests}))
    return tuple(BundleFile(name, (folder / name).stat().st_size) for name in _files(folder))


def _files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _resolved(folder: Path) -> Path:
    try:
        return folder.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
        raise SpecError(f"{quote(str(folder))}: is not a folder that can be written: {error}") from None
