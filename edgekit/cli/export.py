"""`edgekit export`: from weights to one .onnx file, and what goes beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from edgekit.cli.option_values import composite, named_values
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import download_progress, progress_bar
from edgekit.cli.render import percent, write, write_json, write_message

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.dataset import ImageSet
    from edgekit.export.finalize import Interface
    from edgekit.zoo.network import Network

EXAMPLES = """Examples:

edgekit export runs/first/model.safetensors --images data/ -o model.onnx

edgekit export resnet50 --weights imagenet --labels names.txt -o resnet50.onnx

edgekit export mobilenet_v2 --weights tf.safetensors --padding tf_same --mean 0.5 --std 0.5 --labels names.txt -o m.onnx

edgekit export model-int8.onnx --batch 1 --format ort --golden 8 -o phone.onnx
"""


def run(
    source: Annotated[
        str,
        Argument("A checkpoint of `edgekit train`, a network of `edgekit models`, or an .onnx of edgekit."),
    ],
    output: Annotated[Path, Option("The .onnx file to write.", flags=("--output", "-o"))],
    weights: Annotated[
        str | None, Option("For a network: a .safetensors or .pth file, or imagenet: the official ones.")
    ] = None,
    labels: Annotated[Path | None, Option("Class names, one a line, in the order of the logits.")] = None,
    padding: Annotated[str | None, Option("symmetric or tf_same, where the network has the choice.")] = None,
    argument: Annotated[tuple[str, ...], Option("An argument of the network: width_mult=0.5. May be repeated.")] = (),
    mean: Annotated[str | None, Option("In 0..1 units: 0.5, or one a channel: 0.485,0.456,0.406.")] = None,
    std: Annotated[str | None, Option("In 0..1 units: 0.5, or one a channel: 0.485,0.456,0.406.")] = None,
    resize: Annotated[int | None, Option("Short edge in pixels before the crop.", least=1)] = None,
    crop: Annotated[str | None, Option("Height and width of the input in pixels, or both: 96,128.")] = None,
    interpolation: Annotated[str | None, Option("bilinear, bicubic, ...")] = None,
    images: Annotated[
        Path | None, Option("A labeled data set: its val images check every step and give the accuracy.")
    ] = None,
    license: Annotated[str | None, Option("Of the weights, as an SPDX name.", default_text="unknown")] = None,
    opset: Annotated[int | None, Option("ONNX operator set, 18 or later.", default_text="20")] = None,
    batch: Annotated[str, Option("Images at a time: dynamic (any number), or a number.")] = "dynamic",
    features: Annotated[bool, Option("A further output `features`: the pooled vector before the last layer.")] = False,
    activation_maps: Annotated[bool, Option("A further output `maps`: one for each class, to draw heat maps.")] = False,
    golden: Annotated[
        int | None, Option("Write so many golden vectors beside it, for ports to other languages.", least=1)
    ] = None,
    format: Annotated[
        Literal["onnx", "ort"], Option("ort: beside the .onnx also onnxruntime's own format, for phones.")
    ] = "onnx",
    json: Annotated[bool, Option("The file's metadata as one JSON document.")] = False,
) -> None:
    """Write one self-contained .onnx file: raw pixels in, logits out; labels, preprocessing and accuracy inside."""
    from edgekit.optional import require

    require("onnx", extra="export")
    from edgekit import dataset
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.export.finalize import Interface

    require_onnx_path(output)
    options = {
        "labels": labels,
        "padding": padding,
        "argument": argument or None,
        "resize": resize,
        "crop": crop and composite(crop),
        "interpolation": interpolation,
        "mean": mean and composite(mean),
        "std": std and composite(std),
        "license": license,
        "opset": opset,
    }
    options = {name: value for name, value in options.items() if value is not None}
    interface = Interface(batch=_parse_batch(batch), features=features, activation_maps=activation_maps)
    held_out = dataset.read_held_out(images) if images else None
    if source.endswith(".onnx"):
        if weights is not None:
            options["weights"] = weights
        info, parity = _refit(Path(source), output, options=options, interface=interface, images=held_out)
    else:
        info, parity = _convert(source, output, weights=weights, options=options, interface=interface, images=held_out)
    beside = _write_beside(output, golden=golden, ort=format == "ort", images=held_out)
    if json:
        write_json({"schema": 2, "path": str(output), "beside": [str(p) for p in beside], "info": info.to_dict()})
        return
    write(f"{output}: {output.stat().st_size / 1e6:.2f} MB, {len(info.labels)} labels; {parity}")
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} of {info.metrics['images']} images, from file to label")
    for path in beside:
        write(f"{path}: {path.stat().st_size / 1e3:.1f} kB")
    write_message(f"next: edgekit predict IMAGE --model {output}")


def _parse_batch(text: str) -> int | None:
    from edgekit.errors import SpecError

    if text == "dynamic":
        return None
    if not text.isascii() or not text.isdecimal():
        raise SpecError(f"--batch is dynamic or a number of images, not {text!r:.40}")
    return int(text)


def _refit(
    source: Path, output: Path, *, options: dict[str, Any], interface: Interface, images: ImageSet | None
) -> tuple[ArtifactInfo, str]:
    from edgekit.errors import SpecError
    from edgekit.export.finalize import change_interface

    if options:
        raise SpecError(f"an .onnx file has its own {', '.join(options)}; leave out --{' --'.join(options)}")
    info = change_interface(source, output, images=images, interface=interface)
    return info, _logit_difference(info.parity["refit"], "its parent's")


def _convert(
    source: str,
    output: Path,
    *,
    weights: str | None,
    options: dict[str, Any],
    interface: Interface,
    images: ImageSet | None,
) -> tuple[ArtifactInfo, str]:
    from edgekit.optional import require

    require("torch", extra="export")
    from edgekit.export.pipeline import convert
    from edgekit.export.simplify import describe_simplifier

    opset = {"opset": options.pop("opset")} if "opset" in options else {}
    license = options.pop("license", "unknown")
    if weights is None:
        network, info = _from_checkpoint(source, options=options, license=license)
    else:
        network, info = _from_weights(source, weights, options=options, license=license)
    with progress_bar("measuring", len(images) if images else None) as advance:
        conversion = convert(network, info, output, images=images, on_image=advance, interface=interface, **opset)
    parity = _logit_difference(conversion.info.parity["to_onnx"], "torch's")
    return conversion.info, f"{parity}; {describe_simplifier(conversion.simplified_by)}"


def _logit_difference(figures: dict[str, Any], reference: str) -> str:
    return f"logits within {figures['logit_difference']} of {reference} on {figures['images']} {figures['on']}"


def _from_checkpoint(path: str, *, options: dict[str, Any], license: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.networks import network_from_checkpoint
    from edgekit.zoo.specs import SPECS

    if path in SPECS:
        raise SpecError(f"{path}: its weights are missing; give --weights FILE, or a checkpoint in place of the name")
    if options:
        raise SpecError(f"a checkpoint brings its own {', '.join(options)}; leave out --{' --'.join(options)}")
    return network_from_checkpoint(path, license=license)


def _from_weights(model: str, weights: str, *, options: dict[str, Any], license: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.networks import network_from_weights, spec_preprocess
    from edgekit.hub.imagenet_weights import weights_path
    from edgekit.labels import read_labels

    names, padding = options.pop("labels", None), options.pop("padding", None)
    arguments = named_values(options.pop("argument", ())) | ({"padding": padding} if padding else {})
    preprocess = spec_preprocess(model, options)
    if names is None:
        raise SpecError("the file must know its class names; give --labels FILE, one name a line")
    labels = read_labels(names)
    with download_progress() as on_bytes:  # last: a mistyped option is reported before half a gigabyte is downloaded
        path = weights_path(model, weights, on_bytes=on_bytes)
    return network_from_weights(model, path, labels=labels, arguments=arguments, preprocess=preprocess, license=license)


def _write_beside(output: Path, *, golden: int | None, ort: bool, images: ImageSet | None) -> list[Path]:
    """The files of golden vectors and of onnxruntime's own format, if they are asked for."""
    from edgekit.bundle.golden_vectors import write_golden

    paths = [] if golden is None else list(write_golden(output, count=golden, images=images))
    if ort:
        from edgekit.bundle.onnxruntime_mobile import write_ort

        path = output.with_suffix(".ort")
        paths += [path, write_ort(output, path, images=images)]
    return paths
