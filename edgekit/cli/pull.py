"""`edgekit pull`: build a model from published weights, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli import shared_options as shared
from edgekit.cli.next_commands import predict_command, write_next
from edgekit.cli.options import Argument, Option
from edgekit.cli.render import percent, write, write_message

if TYPE_CHECKING:
    from edgekit.hub.build_model import BuiltModel
    from edgekit.hub.registry import NamedModel

EXAMPLES = """Examples:
  edgekit pull efficientnet_lite0-imagenet-int8
  edgekit pull resnet50-imagenet -o resnet50.onnx
  edgekit pull resnet18-imagenet --weights resnet18-f37072fd.pth -o resnet18.onnx
"""


def run(
    name: Annotated[str, Argument("Name of a model from `edgekit models`.")],
    output: Annotated[Path | None, shared.MODEL_OUTPUT._replace(default_text="the cache")] = None,
    weights: Annotated[
        Path | None,
        Option(
            "Weights file (.pth or .safetensors) with the published names of the tensors; needs --output.",
            metavar="FILE",
            default_text="the published weights",
        ),
    ] = None,
) -> None:
    """Build a pretrained model from its published weights, without PyTorch.

    The weights come from an installed package, or are downloaded into the cache; their checksum is verified.
    """
    from edgekit.artifact.paths import require_new_path, require_onnx_path
    from edgekit.cli.progress import download_progress
    from edgekit.errors import EdgekitError, SpecError
    from edgekit.files import write_atomically
    from edgekit.hub.build_model import build_model
    from edgekit.hub.built_in import built_in_models
    from edgekit.hub.model_files import cached_path
    from edgekit.hub.registry import model_named

    built_in = built_in_models().get(name)
    if built_in is not None:
        _copy_built_in(name, built_in, output, weights=weights)
        return
    model = model_named(name)
    if output is not None:
        require_onnx_path(output)
    elif weights is not None:
        raise SpecError("--output is required with --weights: the cache keeps only models with their published weights")
    if output and weights:
        require_new_path(weights, output)
    with download_progress() as on_bytes:
        built = build_model(model, weights=weights, on_bytes=on_bytes)
    path = output or Path(cached_path(name, model.template))
    try:
        write_atomically(path, built.content)
    except EdgekitError as error:
        hint = "" if output else "; set EDGEKIT_HOME to a writable folder, or use --output"
        raise EdgekitError(f"{error}{hint}") from None
    _write_built(model, built, path, name if output is None else str(output))


def _copy_built_in(name: str, built_in: Path, output: Path | None, *, weights: Path | None) -> None:
    from edgekit.artifact.info import read_model
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.errors import SpecError
    from edgekit.files import write_atomically

    if weights is not None:
        raise SpecError(f"--weights cannot be used with {name}: it is built in, not made from published weights")
    if output is None:
        write_message(f"{name} is built in; next: edgekit predict IMAGE --model {name}")
        return
    require_onnx_path(output)
    write_atomically(output, read_model(built_in))
    write_next(str(output), predict_command(output))


def _write_built(model: NamedModel, built: BuiltModel, path: Path, spelling: str) -> None:
    info, digest = built.info, built.info.weights_sha256 or ""
    published = "as published" if digest.startswith(model.weights.sha256) else f"not those of {model.weights.name}"
    write(f"weights: {built.weights}, sha256 {digest[:8]}, {published}")
    size = f"{len(built.content) / 1e6:.2f} MB"
    write(f"{path}: {size}, {info.precision}, {len(info.labels)} labels, license {info.license}")
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} on {info.metrics['images']} images, measured with these weights")
    write_next(str(path), predict_command(spelling))
