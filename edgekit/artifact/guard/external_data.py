"""Reads the weights that an untrusted ONNX file stores in files beside it.

Such a file names others by paths, so it could make a program read any file. Only plain names of regular files in the
same folder are accepted: no folders, no links, no second name of a file that is elsewhere.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgekit.artifact.external_tensors import Reference, references, with_tensors
from edgekit.artifact.guard.model_limits import DEFAULT_MODEL_LIMITS, ModelLimits
from edgekit.errors import ArtifactError, quote
from edgekit.files import read_regular_file

_NOT_IN_NAMES = frozenset("/\\:\0")


def joined(
    model: bytes, path: str | os.PathLike[str], *, limits: ModelLimits = DEFAULT_MODEL_LIMITS
) -> tuple[bytes, tuple[str, ...]]:
    """Read the weights that a model stores in files beside it.

    Args:
        model: content of the ONNX file.
        path: of the ONNX file.
        limits: on the size of everything together.

    Returns:
        The model with its weights, and the names of the files that they were read from. The model itself, and no names,
        if it stores all of its weights.

    Raises:
        ArtifactError: a file is missing, is refused, or is too short or too large.
    """
    name = os.fspath(path)
    try:
        found = references(model)
        if not found:
            return model, ()
        files: dict[str, memoryview] = {}
        for location in sorted({reference.location for reference in found}):
            remaining = max(limits.max_bytes - len(model) - sum(map(len, files.values())), 0)
            files[location] = memoryview(_read(Path(name).parent, location, remaining))

        def data_of(reference: Reference) -> memoryview:
            file = files[reference.location]
            end = len(file) if reference.length is None else reference.offset + reference.length
            if not reference.offset <= end <= len(file):
                raise ArtifactError(
                    f"a tensor is at bytes {reference.offset} to {end} of {quote(reference.location)}, which has only "
                    f"{len(file)}; it is truncated or of another model"
                )
            return file[reference.offset : end]

        size = len(model) + sum(len(data_of(reference)) for reference in found)  # tensors may share bytes
        if size > limits.max_bytes:
            raise ArtifactError(f"{size} bytes with its external data, more than the limit of {limits.max_bytes} bytes")
        return b"".join(with_tensors(model, data_of)), tuple(files)
    except ArtifactError as error:
        raise ArtifactError(f"{name}: refused: {error}") from None


def _read(folder: Path, location: str, max_bytes: int) -> bytes:
    """Read a file of weights: a plain one, directly in the folder."""
    if location in ("", ".", "..") or not _NOT_IN_NAMES.isdisjoint(location):
        raise ArtifactError(
            f"its weights are in {quote(location)}; only a file in the same folder, named without a path, is read"
        )
    path = folder / location
    try:
        status = path.lstat()
    except (OSError, ValueError):
        raise ArtifactError(
            f"its weights are in {quote(location)}, which is not beside it; copy that file into the same folder"
        ) from None
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise ArtifactError(
            f"its weights are in {quote(location)}, which is not a regular file with a single name, but a link or "
            f"another kind of file; copy the weights there"
        )
    return read_regular_file(path, max_bytes=max_bytes, error=ArtifactError)
