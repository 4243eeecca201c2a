"""The built-in models, which are part of edgekit: in a wheel, a source tree, a zip archive or a frozen program."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from edgekit.errors import ArtifactError, unknown

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_MODEL = "mobilenet_v2-cifar10-int8"


def built_in_models() -> dict[str, Path]:
    """Return the files of the built-in models by name, which is the file name without .onnx.

    If edgekit is imported from a zip archive, the paths point into it. `read_model` can read them.
    """
    from pathlib import Path  # here, because a model given by its path does not need it

    package = Path(__file__).parents[1]
    # In a wheel the models are inside the package, in a source tree beside it.
    folder = next((f for f in (package / "models", package.parent / "models") if f.is_dir()), None)
    files = sorted(folder.glob("*/*.onnx")) if folder else _zipped_models()
    return {path.stem: path for path in files}


def _zipped_models() -> list[Path]:
    from importlib.resources import files
    from pathlib import Path

    models = files("edgekit") / "models"
    folders = [folder for folder in models.iterdir() if folder.is_dir()] if models.is_dir() else []
    return sorted(Path(str(file)) for folder in folders for file in folder.iterdir() if file.name.endswith(".onnx"))


def model_path(path_or_name: str | os.PathLike[str]) -> Path:
    """Return the file of a model.

    Args:
        path_or_name: path of a file, or name of a built-in model.

    Raises:
        ArtifactError: there is no built-in model of that name; the message suggests similar names.
    """
    from pathlib import Path  # as above

    return Path(model_file(path_or_name))


def model_file(path_or_name: str | os.PathLike[str]) -> str:
    """Return the same as `model_path`, as a string."""
    name = os.fsdecode(path_or_name)
    if os.path.isfile(name) or name.endswith(".onnx") or os.path.split(name)[0] or name in ("", "."):  # noqa: PTH113
        return name
    models = built_in_models()
    if name not in models:
        raise ArtifactError(f"{unknown('model', name, models)}; or pass the path of an .onnx file")
    return str(models[name])
