"""`edgekit inspect`: what a model file says of itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.render import percent, printable, write, write_json

if TYPE_CHECKING:
    from edgekit.artifact import ArtifactInfo

EXAMPLES = """Examples:

edgekit inspect model.onnx

edgekit inspect mobilenet_v2-cifar10 --json
"""
_LABELS_SHOWN = 10


def run(
    model: Annotated[str, typer.Argument(help="An .onnx file made by edgekit, or the name of a shipped model.")],
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Show a model's network, labels, preprocessing, licence, parity and accuracy."""
    from edgekit.artifact import read_info
    from edgekit.runtime.shipped import model_path

    path = model_path(model)
    info = read_info(path)
    if json:
        write_json(info.to_dict())
        return
    for name, value in _lines(path, info):
        write(f"{name:<12}  {printable(value)}")


def _lines(path: Path, info: ArtifactInfo) -> list[tuple[str, str]]:
    preprocess, shown = info.preprocess, ", ".join(info.labels[:_LABELS_SHOWN])
    arguments = ", ".join(f"{name}={value}" for name, value in info.arguments.items())
    lines = [
        ("file", f"{path} ({path.stat().st_size / 1e6:.2f} MB, {info.precision})"),
        ("network", f"{info.model}({arguments})"),
        ("input", f"{preprocess.crop} {preprocess.color}, short edge {preprocess.resize}, {preprocess.interpolation}"),
        ("mean, std", f"{preprocess.mean}, {preprocess.std}"),
        ("labels", f"{len(info.labels)}: {shown}{', ...' if len(info.labels) > _LABELS_SHOWN else ''}"),
        ("licence", info.licence),
    ]
    if info.metrics:
        lines.append(("top-1", f"{percent(info.metrics['top1'])} of {info.metrics['pictures']} pictures"))
    for step, figures in info.parity.items():
        said = f"logits within {figures['logit_difference']}, the same label on {percent(figures['agreement'])}"
        lines.append((step, f"{said} of {figures['pictures']} pictures"))
    if info.calibration:
        lines.append(("calibration", f"{info.calibration['method']} on {info.calibration['pictures']} pictures"))
    return lines
