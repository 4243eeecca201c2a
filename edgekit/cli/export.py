"""`edgekit export`: from weights to one .onnx file, and what goes beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from edgekit.cli.parse_values import composite, named_values
from edgekit.cli.progress import download_progress, progress_bar
from edgekit.cli.render import percent, say, write, write_json

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.dataset import PictureSet
    from edgekit.export.finalize import Form
    from edgekit.zoo.network import Network

EXAMPLES = """Examples:

edgekit export runs/first/model.safetensors --pictures data/ -o model.onnx

edgekit export resnet50 --weights imagenet --labels names.txt -o resnet50.onnx

edgekit export mobilenet_v2 --weights tf.safetensors --padding tf_same --mean 0.5 --std 0.5 --labels names.txt -o m.onnx

edgekit export model-int8.onnx --batch 1 --format ort --golden 8 -o phone.onnx
"""


def run(
    source: Annotated[
        str,
        typer.Argument(help="A checkpoint of `edgekit train`, a network of `edgekit models`, or an .onnx of edgekit."),
    ],
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
    licence: Annotated[
        str | None, typer.Option(help="Of the weights, as an SPDX name.", show_default="unknown")
    ] = None,
    opset: Annotated[int | None, typer.Option(help="ONNX operator set, 18 or later.", show_default="20")] = None,
    batch: Annotated[str, typer.Option(help="Pictures at a time: dynamic (any number), or a number.")] = "dynamic",
    features: Annotated[
        bool, typer.Option("--features", help="A further output `features`: the pooled vector before the last layer.")
    ] = False,
    activation_maps: Annotated[
        bool, typer.Option("--activation-maps", help="A further output `maps`: one for each class, to draw heat maps.")
    ] = False,
    golden: Annotated[
        int | None, typer.Option(min=1, help="Write so many golden vectors beside it, for ports to other languages.")
    ] = None,
    format: Annotated[
        Literal["onnx", "ort"], typer.Option(help="ort: beside the .onnx also onnxruntime's own format, for phones.")
    ] = "onnx",
    json: Annotated[bool, typer.Option("--json", help="The file's metadata as one JSON document.")] = False,
) -> None:
    """Write one self-contained .onnx file: raw pixels in, logits out; labels, preprocessing and accuracy inside."""
    from edgekit.optional import require

    require("onnx", extra="export")
    from edgekit import dataset
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.export.finalize import Form

    require_onnx_path(output)
    options = {
        "labels": labels,
        "padding": padding,
        "argument": argument,
        "resize": resize,
        "crop": crop and composite(crop),
        "interpolation": interpolation,
        "mean": mean and composite(mean),
        "std": std and composite(std),
        "licence": licence,
        "opset": opset,
    }
    given = {name: value for name, value in options.items() if value is not None}
    form = Form(batch=_batch(batch), features=features, activation_maps=activation_maps)
    truth = dataset.read_held_out(pictures) if pictures else None
    if source.endswith(".onnx"):
        own = given | ({} if weights is None else {"weights": weights})
        info, said = _refitted(Path(source), output, own, form, truth)
    else:
        info, said = _converted(source, weights, output, given, form, truth)
    beside = _beside(output, golden, truth) + (_phone(output, truth) if format == "ort" else [])
    if json:
        write_json({"schema": 1, "path": str(output), "beside": [str(p) for p in beside], "info": info.to_dict()})
        return
    write(f"{output}: {output.stat().st_size / 1e6:.2f} MB, {len(info.labels)} labels; {said}")
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} of {info.metrics['pictures']} pictures, from file to label")
    for path in beside:
        write(f"{path}: {path.stat().st_size / 1e3:.1f} kB")
    say(f"next: edgekit predict PICTURE --model {output}")


def _batch(text: str) -> int | None:
    from edgekit.errors import SpecError

    if text == "dynamic":
        return None
    if not text.isascii() or not text.isdecimal():
        raise SpecError(f"--batch is dynamic or a number of pictures, not {text!r:.40}")
    return int(text)


def _refitted(
    source: Path, output: Path, given: dict[str, Any], form: Form, pictures: PictureSet | None
) -> tuple[ArtifactInfo, str]:
    from edgekit.errors import SpecError
    from edgekit.export.finalize import refit

    if given:
        raise SpecError(f"an .onnx file has its own {', '.join(given)}; leave out --{' --'.join(given)}")
    info = refit(source, output, pictures=pictures, form=form)
    figures = info.parity["refit"]
    return info, f"logits within {figures['logit_difference']} of its parent's on {_pictures(figures)}"


def _converted(
    source: str,
    weights: str | None,
    output: Path,
    given: dict[str, Any],
    form: Form,
    pictures: PictureSet | None,
) -> tuple[ArtifactInfo, str]:
    from edgekit.optional import require

    require("torch", extra="export")
    from edgekit.export.pipeline import convert
    from edgekit.export.simplify import told

    opset = {"opset": given.pop("opset")} if "opset" in given else {}
    licence = given.pop("licence", "unknown")
    network, info = (
        _checkpoint(source, given, licence) if weights is None else _weights(source, weights, given, licence)
    )
    with progress_bar("measuring", len(pictures) if pictures else None) as advance:
        conversion = convert(network, info, output, pictures=pictures, on_picture=advance, form=form, **opset)
    figures = conversion.info.parity["to_onnx"]
    said = f"logits within {figures['logit_difference']} of torch's on {_pictures(figures)}"
    return conversion.info, f"{said}; {told(conversion.simplified_by)}"


def _pictures(figures: dict[str, Any]) -> str:
    return f"{figures['pictures']} {figures['on']}"


def _checkpoint(path: str, given: dict[str, Any], licence: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.networks import from_checkpoint
    from edgekit.zoo.specs import SPECS

    if path in SPECS:
        raise SpecError(f"{path}: its weights are missing; give --weights FILE, or a checkpoint in place of the name")
    if given:
        raise SpecError(f"a checkpoint brings its own {', '.join(given)}; leave out --{' --'.join(given)}")
    return from_checkpoint(path, licence=licence)


def _weights(model: str, weights: str, given: dict[str, Any], licence: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.networks import from_weights, spec_preprocess
    from edgekit.hub.resolve import resolve
    from edgekit.labels import read_labels

    names, padding = given.pop("labels", None), given.pop("padding", None)
    arguments = named_values(given.pop("argument", [])) | ({"padding": padding} if padding else {})
    preprocess = spec_preprocess(model, given)
    if names is None:
        raise SpecError("the file must know its class names; give --labels FILE, one name a line")
    labels = read_labels(names)
    with download_progress() as on_progress:  # last: what was mistyped is said before half a gigabyte is fetched
        path = resolve(model, weights, on_progress=on_progress)
    return from_weights(model, path, labels=labels, arguments=arguments, preprocess=preprocess, licence=licence)


def _beside(output: Path, golden: int | None, pictures: PictureSet | None) -> list[Path]:
    from edgekit.bundle.golden_vectors import write_golden

    return [] if golden is None else list(write_golden(output, count=golden, pictures=pictures))


def _phone(output: Path, pictures: PictureSet | None) -> list[Path]:
    from edgekit.bundle.onnxruntime_mobile import write_ort

    path = output.with_suffix(".ort")
    return [path, write_ort(output, path, pictures=pictures)]
