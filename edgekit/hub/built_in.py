"""The built-in models, which come with edgekit; located the same way in a wheel and in a source tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgekit.errors import ArtifactError, unknown

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MODEL = "mobilenet_v2-cifar10-int8"


def shipped_models() -> dict[str, Path]:
    """Every shipped .onnx file by its name (the file's, without .onnx)."""
    from pathlib import Path  # here, because a model given by its path goes without

    package = Path(__file__).parents[1]
    # A wheel carries the models inside of the package; in a source tree they lie beside it.
    folder = next((f for f in (package / "models", package.parent / "models") if f.is_dir()), None)
    return {path.stem: path for path in sorted(folder.glob("*/*.onnx"))} if folder else {}


def model_path(path_or_name: str | os.PathLike[str]) -> Path:
    """The file of a path or of a shipped model's name. Raises ArtifactError naming the close ones."""
    from pathlib import Path  # as above

    return Path(model_file(path_or_name))


def model_file(path_or_name: str | os.PathLike[str]) -> str:
    """As model_path, as text."""
    name = os.fsdecode(path_or_name)
    if os.path.isfile(name) or name.endswith(".onnx") or os.path.split(name)[0] or name in ("", "."):  # noqa: PTH113
        return name
    models = shipped_models()
    if name not in models:
        raise ArtifactError(f"{unknown('model', name, models)}; or give the path of an .onnx file")
    return str(models[name])
