"""Files of the wrong kind, known by their extensions: errors that name the right command."""

from __future__ import annotations

import os
import shlex

from edgekit.errors import ArtifactError, ImageError
from edgekit.image.formats import is_image_name

_CHECKPOINTS = (".safetensors", ".pth", ".pt", ".ckpt")
_MODELS = (".onnx", ".ort")
_SHARDS = (".tar", ".tar.gz", ".tgz", ".parquet")


def check_model_files(*paths_or_names: str | os.PathLike[str]) -> None:
    """Check that none of the models is a checkpoint or an image.

    Raises:
        ArtifactError: one of them is; the message names the command to run.
    """
    for name in (os.fspath(path_or_name) for path_or_name in paths_or_names):
        check_no_image(name, expected="a model")
        if os.path.isdir(name):  # noqa: PTH112
            raise ArtifactError(f"{name}: is a folder, not a model; where a command takes both, the data comes last")
        if _is_file(name, _CHECKPOINTS):
            command = f"edgekit export {shlex.quote(name)} -o model.onnx"
            raise ArtifactError(f"{name}: is a PyTorch checkpoint; run `{command}` first")


def check_no_image(name: str, *, expected: str) -> None:
    """Raise ArtifactError if the file is an image."""
    if is_image_name(name) and os.path.isfile(name):  # noqa: PTH113
        raise ArtifactError(
            f"{name}: is an image, not {expected}; run `edgekit predict {shlex.quote(name)}` to classify it"
        )


def is_model_file(name: str) -> bool:
    """Return whether the file is a model."""
    return _is_file(name, _MODELS)


def error_of_image(name: str) -> ImageError | None:
    """Return an error if what is given as an image is a model, a checkpoint, or a file of many images."""
    if is_model_file(name):
        return ImageError(f"{name}: is a model, not an image; run `edgekit predict IMAGE --model {shlex.quote(name)}`")
    if _is_file(name, _CHECKPOINTS):
        command = f"edgekit export {shlex.quote(name)} -o model.onnx"
        return ImageError(f"{name}: is a PyTorch checkpoint, not an image; run `{command}` first")
    if _is_file(name, _SHARDS):
        command = f"edgekit predict {shlex.quote(name)} --output predictions.jsonl"
        return ImageError(f"{name}: contains many images; run `{command}`")
    return None


def _is_file(name: str, extensions: tuple[str, ...]) -> bool:
    return name.lower().endswith(extensions) and os.path.isfile(name)  # noqa: PTH113
