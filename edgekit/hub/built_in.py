"""The built-in models, which are part of edgekit: in a wheel, a source tree, a zip archive or a frozen program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def models_folder() -> str:
    """Return the folder of the built-in models and templates: inside the package, in a source tree beside it.

    If edgekit is imported from a zip archive, the path points into it. `read_regular_file` can read such files.
    """
    package = os.path.dirname(os.path.dirname(__file__))
    inside, beside = (os.path.join(folder, "models") for folder in (package, os.path.dirname(package)))
    return inside if os.path.isdir(inside) or not os.path.isdir(beside) else beside


def built_in_models() -> dict[str, Path]:
    """Return the files of the built-in models by name, which is the file name without .onnx.

    If edgekit is imported from a zip archive, the paths point into it. `read_model` can read them.
    """
    from pathlib import Path  # here, because a model given by its path does not need it

    folder = Path(models_folder())
    files = sorted(folder.glob("*/*.onnx")) if folder.is_dir() else _zipped_models()
    return {path.stem: path for path in files}


def _zipped_models() -> list[Path]:
    from importlib.resources import files
    from pathlib import Path

    models = files("edgekit") / "models"
    folders = [folder for folder in models.iterdir() if folder.is_dir()] if models.is_dir() else []
    return sorted(Path(str(file)) for folder in folders for file in folder.iterdir() if file.name.endswith(".onnx"))
