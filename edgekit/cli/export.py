"""`edgekit export`: from weights to one .onnx file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.progress import download_progress, progress_bar
from edgekit.cli.render import percent, say, write, write_json
from edgekit.cli.values import composite, named_values

if TYPE_CHECKING:
    from edgekit.artifact import ArtifactInfo
    from edgekit.export.convert import Conversion
    from edgekit.zoo.network import Network

EXAMPLES = """Examples:

edgekit export runs/first/model.safetensors --pictures data/ -o model.onnx

edgekit export resnet50 --weights imagenet --labels names.txt -o resnet50.onnx

edgekit export mobilenet_v2 --weights tf.safetensors --padding tf_same --mean 0.5 --std 0.5 --labels names.txt -o m.onnx
"""


def run(
    source: Annotated[str, typer.Argument(help="A checkpoint of `edgekit train`, or a network of `edgekit models`.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    weights: Annotated[
        str | None, typer.Option(help="For a network: a .safetensors or .pth file, or imagenet: the official ones.")
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="Class names, one a line, in the order of the logits.")] = None,
    padding: Annotated[str | None, typer.Option(help="symmetric or tf_same, where the network has the choice.")] = None,
    argument: Annotated[
        list[str] | None, typer.Option(help="An argument of the network: width_mult=0.5. May be repeated.")
    ] = None,
    mean: Annotated[str | None, typer.Option(help="In 0..1 units: 0.5, or one a channel: 0.485,0.456,0.406.")] = None,
    std: Annotated[str | None, typer.Option(help="In 0..1 units: 0.5, or one a channel: 0.485,0.456,0.406.")] = None,
    resize: Annotated[int | None, typer.Option(min=1, help="Short edge in pixels before the crop.")] = None,
    crop: Annotated[str | None, typer.Option(help="Height and width of the input in pixels, or both: 96,128.")] = None,
    interpolation: Annotated[str | None, typer.Option(help="bilinear, bicubic, ...")] = None,
    pictures: Annotated[
        Path | None, typer.Option(help="A labelled data set: its val pictures check every step and give the accuracy.")
    ] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, as an SPDX name.")] = "unknown",
    opset: Annotated[int, typer.Option(min=18, help="ONNX operator set.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="The file's metadata as one JSON document.")] = False,
) -> None:
    """Write one self-contained .onnx file: raw pixels in, logits out; labels, preprocessing and accuracy inside."""
    from edgekit import dataset
    from edgekit.optional import require

    require("onnx", extra="export")
    require("torch", extra="export")
    from edgekit.export.convert import convert

    changes = {
        "resize": resize,
        "crop": crop and composite(crop),
        "interpolation": interpolation,
        "mean": mean and composite(mean),
        "std": std and composite(std),
    }
    options = {"labels": labels, "padding": padding, "argument": argument, **changes}
    given = {name: value for name, value in options.items() if value is not None}
    network, info = (
        _checkpoint(source, given, licence) if weights is None else _weights(source, weights, given, licence)
    )
    truth = dataset.read(pictures, "val") if pictures else None
    with progress_bar("measuring", len(truth) if truth else None) as advance:
        conversion = convert(network, info, output, pictures=truth, opset=opset, on_picture=advance)
    _show_json(conversion) if json else _show(conversion)


def _checkpoint(path: str, given: dict[str, Any], licence: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.sources import from_checkpoint
    from edgekit.specs import SPECS

    if path in SPECS:
        raise SpecError(f"{path}: its weights are missing; give --weights FILE, or a checkpoint in place of the name")
    if given:
        raise SpecError(f"a checkpoint brings its own {', '.join(given)}; leave out --{' --'.join(given)}")
    return from_checkpoint(path, licence=licence)


def _weights(model: str, weights: str, given: dict[str, Any], licence: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.sources import from_weights, read_labels, spec_preprocess
    from edgekit.hub.resolve import resolve

    names, padding = given.pop("labels", None), given.pop("padding", None)
    arguments = named_values(given.pop("argument", [])) | ({"padding": padding} if padding else {})
    preprocess = spec_preprocess(model, given)
    if names is None:
        raise SpecError("the file must know its class names; give --labels FILE, one name a line")
    labels = read_labels(names)
    with download_progress() as on_progress:  # last: what was mistyped is said before half a gigabyte is fetched
        path = resolve(model, weights, on_progress=on_progress)
    return from_weights(model, path, labels=labels, arguments=arguments, preprocess=preprocess, licence=licence)


def _show(conversion: Conversion) -> None:
    parity, info = conversion.parity, conversion.info
    write(
        f"{conversion.path}: {conversion.path.stat().st_size / 1e6:.2f} MB, {len(info.labels)} labels; "
        f"logits within {parity.logit_difference:.1e} of torch's on {parity.pictures} {info.parity['to_onnx']['on']}; "
        f"simplified by {conversion.simplified_by}"
    )
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} of {info.metrics['pictures']} pictures, from file to label")
    say(f"next: edgekit predict PICTURE --model {conversion.path}")


def _show_json(conversion: Conversion) -> None:
    write_json({"schema": 1, "path": str(conversion.path), "info": conversion.info.to_dict()})
