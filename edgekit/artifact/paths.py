"""Where a step may write its model file: checked before the work, not after it."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.errors import EdgekitError, SpecError


def require_onnx_path(path: str | os.PathLike[str]) -> None:
    """Raises SpecError for a name that does not end in .onnx, EdgekitError where nothing can be written.

    What goes beside the file (.ort, .json, golden vectors) is named by it and would replace one of another ending.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise SpecError(f"{path}: the file to write must end in .onnx")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise EdgekitError(f"{path}: cannot be written: {'it is a folder' if path.is_dir() else f'not into {folder}'}")


def require_new_path(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Raises SpecError where the path is that of the source: a step never replaces what it was made from."""
    if Path(path).exists() and Path(source).exists() and Path(path).samefile(source):
        raise SpecError(f"{os.fspath(path)}: would replace the file that it is made from; give another path to write")
