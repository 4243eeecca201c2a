"""The models that come with edgekit, found the same way in a wheel and in a source tree."""

from __future__ import annotations

import os
from pathlib import Path

from edgekit.errors import ArtifactError, unknown

DEFAULT_MODEL = "mobilenet_v2-cifar10-int8"
_PACKAGE = Path(__file__).parents[1]


def shipped_models() -> dict[str, Path]:
    """Every shipped .onnx file by its name (the file's, without .onnx)."""
    # A wheel carries the models inside of the package; in a source tree they lie beside it.
    folder = next((f for f in (_PACKAGE / "models", _PACKAGE.parent / "models") if f.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*/*.onnx"))} if folder else {}


def model_path(path_or_name: str | os.PathLike[str]) -> Path:
    """The file of a path or of a shipped model's name. Raises ArtifactError naming the close ones."""
    path = Path(path_or_name)
    if os.path.isfile(path) or path.suffix == ".onnx" or len(path.parts) != 1:  # noqa: PTH113  (it never raises)
        return path
    models = shipped_models()
    if path.name not in models:
        raise ArtifactError(f"{unknown('model', path.name, models)}; or give the path of an .onnx file")
    return models[path.name]
