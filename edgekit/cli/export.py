"""`edgekit export`: convert trained weights to one .onnx file, with optional files for other runtimes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from edgekit.cli import shared_options as shared
from edgekit.cli.next_commands import after_export, predict_command, write_next
from edgekit.cli.option_values import composite, named_values
from edgekit.cli.options import Argument, Option, flag_of
from edgekit.cli.progress import download_progress, stage_progress, uncounted_stage
from edgekit.cli.render import write, write_json, write_message
from edgekit.cli.temperature import fit_images, write_metrics
from edgekit.cli.wrong_files import check_no_image

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.dataset import ImageSet
    from edgekit.export.finalize import Interface
    from edgekit.zoo.network import Network

EXAMPLES = """Examples:
  edgekit export runs/first/model.safetensors --images data/ -o model.onnx
  edgekit export resnet50 --weights imagenet --labels names.txt -o resnet50.onnx
  edgekit export mobilenet_v2 --weights tf.safetensors --padding tf_same \\
      --mean 0.5 --std 0.5 --labels names.txt -o mobilenet.onnx
  edgekit export model-int8.onnx --batch 1 --format ort --golden 8 -o phone.onnx
"""


def run(
    source: Annotated[
        str,
        Argument(
            "Checkpoint or run folder of `edgekit train`, name of a network from `edgekit models`, or .onnx file of "
            "edgekit."
        ),
    ],
    output: Annotated[Path, shared.MODEL_OUTPUT],
    weights: Annotated[
        str | None,
        Option(
            "Weights of the network: .safetensors or .pth file, or imagenet for the official ones.",
            metavar="FILE",
            default_text="the checkpoint's",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        Option(
            "Text file of class names, one per line, in the order of the logits.",
            default_text="the checkpoint's",
        ),
    ] = None,
    padding: Annotated[str | None, shared.PADDING] = None,
    argument: Annotated[tuple[str, ...], shared.ARGUMENT] = (),
    mean: Annotated[str | None, shared.MEAN] = None,
    std: Annotated[str | None, shared.STD] = None,
    fit: Annotated[str | None, shared.FIT] = None,
    resize: Annotated[str | None, shared.RESIZE] = None,
    fill: Annotated[str | None, shared.FILL] = None,
    crop: Annotated[str | None, shared.CROP] = None,
    interpolation: Annotated[str | None, shared.INTERPOLATION] = None,
    resampler: Annotated[str | None, shared.RESAMPLER] = None,
    images: Annotated[Path | None, shared.VERIFICATION_IMAGES] = None,
    no_temperature: Annotated[bool, shared.NO_TEMPERATURE] = False,
    license: Annotated[str | None, shared.LICENSE] = None,
    opset: Annotated[
        int | None, Option("ONNX opset, 18 or later.", default_text="the lowest that the network needs")
    ] = None,
    batch: Annotated[str, Option("Batch size: dynamic (any number of images) or N.", metavar="N")] = "dynamic",
    features: Annotated[bool, shared.FEATURES] = False,
    activation_maps: Annotated[bool, shared.ACTIVATION_MAPS] = False,
    golden: Annotated[
        int | None,
        Option(
            "Also write N golden vectors, which prove ports to other languages, and NAME.json.",
            least=1,
            default_text="none",
            argument="count",
        ),
    ] = None,
    format: Annotated[
        Literal["onnx", "ort"], Option("Format; ort also writes ONNX Runtime's own format, for phones.")
    ] = "onnx",
    json: Annotated[bool, Option("Print the file's metadata as one JSON document.")] = False,
) -> None:
    """Export a trained or pretrained model to one self-contained ONNX file.

    The file accepts raw pixels and returns logits. It contains labels, preprocessing, license and measured accuracy.

    With --images, the accuracy is measured on the val images, and a temperature is fitted to a fifth of them (100 to
    1000; none is fitted if there are fewer than 200). The model must not have been trained on these images.
    """
    from edgekit.optional import require

    require("onnx", extra="export")
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.artifact.sidecar import require_own_document, sidecar_path
    from edgekit.export.finalize import Interface

    require_onnx_path(output)
    check_no_image(source, expected="a checkpoint or a model")
    options = {
        "labels": labels,
        "padding": padding,
        "argument": argument or None,
        "fit": fit,
        "resize": resize and composite(resize),
        "fill": fill and composite(fill),
        "crop": crop and composite(crop),
        "interpolation": interpolation,
        "resampler": resampler,
        "mean": mean and composite(mean),
        "std": std and composite(std),
        "license": license,
        "opset": opset,
        "weights": weights,
        "no_temperature": no_temperature or None,
    }
    options = {name: value for name, value in options.items() if value is not None}
    interface = Interface(batch=_parse_batch(batch), features=features, activation_maps=activation_maps)
    if golden is not None:
        require_own_document(sidecar_path(output))  # before the work
    held_out = _read_held_out(images)
    if source.endswith(".onnx"):
        info, parity = _refit(Path(source), output, options=options, interface=interface, images=held_out)
    else:
        info, parity = _convert(source, output, options=options, interface=interface, images=held_out)
    companions = _write_companions(output, golden=golden, ort=format == "ort", images=held_out)
    if json:
        write_json({"schema": 2, "path": str(output), "beside": [str(p) for p in companions], "info": info.to_dict()})
        return
    _write_export(output, info, parity, companions=companions)
    is_float = info.precision == "float32"
    commands = after_export(output, data=images) if is_float else [predict_command(output, data=images)]
    write_next(str(output), *commands)


def _read_held_out(images: Path | None) -> ImageSet | None:
    from edgekit import dataset

    with uncounted_stage("listing images"):
        return dataset.read_held_out(images) if images else None


def _write_export(output: Path, info: ArtifactInfo, parity: str, *, companions: list[Path]) -> None:
    write(f"{output}: {output.stat().st_size / 1e6:.2f} MB, {len(info.labels)} labels; {parity}")
    write_metrics(info)
    _write_sizes(companions)


def _parse_batch(text: str) -> int | None:
    from edgekit.errors import SpecError, quote
    from edgekit.runtime.session import MAX_FIXED_BATCH

    if text == "dynamic":
        return None
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= MAX_FIXED_BATCH:
        raise SpecError(f"--batch must be dynamic or an integer from 1 to {MAX_FIXED_BATCH} (got {quote(text)})")
    return int(text)


def _refit(
    source: Path, output: Path, *, options: dict[str, Any], interface: Interface, images: ImageSet | None
) -> tuple[ArtifactInfo, str]:
    from edgekit.errors import SpecError
    from edgekit.export.finalize import change_interface

    if "no_temperature" in options:
        raise SpecError("--no-temperature needs a checkpoint or weights: none is fitted for an .onnx file")
    if options:
        raise SpecError(f"an .onnx file already contains {', '.join(options)}; leave out {_flags(options)}")
    with uncounted_stage("comparing the outputs"):
        info = change_interface(source, output, images=images, interface=interface)
    return info, _logit_difference(info.parity["refit"], "those of the original file")


def _flags(options: Iterable[str]) -> str:
    return " ".join(map(flag_of, options))


def _convert(
    source: str,
    output: Path,
    *,
    options: dict[str, Any],
    interface: Interface,
    images: ImageSet | None,
) -> tuple[ArtifactInfo, str]:
    from edgekit.optional import require

    with uncounted_stage("loading PyTorch"):
        require("torch", extra="export")
    from edgekit.export.pipeline import convert
    from edgekit.export.simplify import describe_simplifier

    opset = {"opset": options.pop("opset")} if "opset" in options else {}
    license, weights = options.pop("license", "unknown"), options.pop("weights", None)
    fits_temperature = not options.pop("no_temperature", False)
    if weights is None:
        network, info = _from_checkpoint(source, options=options, license=license)
    else:
        network, info = _from_weights(source, weights, options=options, license=license)
    fit = fit_images(images) if images and fits_temperature else None
    with stage_progress() as progress:
        conversion = convert(
            network,
            info,
            output,
            images=images,
            temperature_images=fit,
            interface=interface,
            progress=progress,
            on_warning=lambda warning: write_message(f"warning: {warning}"),
            **opset,
        )
    parity = _logit_difference(conversion.info.parity["to_onnx"], "PyTorch's")
    return conversion.info, f"{parity}; {describe_simplifier(conversion.simplified_by)}"


def _logit_difference(figures: dict[str, Any], reference: str) -> str:
    return f"logits within {figures['logit_difference']} of {reference} on {figures['images']} {figures['on']}"


def _from_checkpoint(path: str, *, options: dict[str, Any], license: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.networks import network_from_checkpoint
    from edgekit.zoo.specs import SPECS

    if path in SPECS:
        raise SpecError(f"--weights is required for the network {path}; or give a checkpoint instead of its name")
    if options:
        raise SpecError(f"a checkpoint already contains {', '.join(options)}; leave out {_flags(options)}")
    return network_from_checkpoint(path, license=license)


def _from_weights(model: str, weights: str, *, options: dict[str, Any], license: str) -> tuple[Network, ArtifactInfo]:
    from edgekit.errors import SpecError
    from edgekit.export.networks import network_from_weights, spec_preprocess
    from edgekit.hub.imagenet_weights import needed_arguments, weights_path
    from edgekit.label_files import read_labels

    names, padding = options.pop("labels", None), options.pop("padding", None)
    given = named_values(options.pop("argument", ())) | ({"padding": padding} if padding else {})
    arguments = needed_arguments(model, weights) | given
    preprocess = spec_preprocess(model, options)
    if names is None:
        raise SpecError("--labels is required with --weights: a text file of class names, one per line")
    labels = read_labels(names)
    with download_progress() as on_bytes:  # last, so that a mistyped option is reported before a long download
        path = weights_path(model, weights, on_bytes=on_bytes)
    return network_from_weights(model, path, labels=labels, arguments=arguments, preprocess=preprocess, license=license)


def _write_companions(output: Path, *, golden: int | None, ort: bool, images: ImageSet | None) -> list[Path]:
    """Write ONNX Runtime's own format and golden vectors, if requested; return the paths of all files."""
    from edgekit.bundle.golden_vectors import write_golden

    paths, converted = [], output.with_suffix(".ort") if ort else None
    if converted is not None:
        from edgekit.bundle.onnxruntime_mobile import write_ort

        with uncounted_stage("converting to .ort"):
            paths += [converted, write_ort(output, converted, images=images)]
    if golden is not None:
        with uncounted_stage("computing golden vectors"):
            paths += write_golden(output, count=golden, images=images, ort=converted)
    return paths


def _write_sizes(paths: Iterable[Path]) -> None:
    """Print the size of each file; of the JPEGs, which may be many, their number and total."""
    jpegs = [path for path in paths if path.suffix == ".jpg"]
    for path in paths:
        if path not in jpegs:
            write(f"{path}: {path.stat().st_size / 1e3:.1f} kB")
    if jpegs:
        write(f"{jpegs[0].parent}: {len(jpegs)} JPEGs, {sum(path.stat().st_size for path in jpegs) / 1e3:.1f} kB")
