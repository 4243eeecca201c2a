"""Checks of the path of a model file to write, made before the work starts."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.errors import EdgekitError, SpecError


def require_onnx_path(path: str | os.PathLike[str]) -> None:
    """Check that a model file can be written to a path.

    The names of accompanying files (.ort, .json, golden vectors) are derived from it, so with any other ending they
    could replace it.

    Args:
        path: of the model file to write.

    Raises:
        SpecError: the name does not end in .onnx.
        EdgekitError: the path is a folder, or its folder is not writable.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise SpecError(f"{path}: the file to write must end in .onnx")
    if path.is_dir():
        raise EdgekitError(f"{path}: cannot be written: it is a folder")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise EdgekitError(f"{path}: cannot be written: {folder} is not a writable folder")


def require_new_path(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Check that a step does not replace its input.

    Args:
        source: the file that the step reads.
        path: the file that it is to write.

    Raises:
        SpecError: both are the same file.
    """
    if Path(path).exists() and Path(source).exists() and Path(path).samefile(source):
        raise SpecError(f"{os.fspath(path)}: would replace the input file; choose another path")
