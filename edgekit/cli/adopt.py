"""`edgekit adopt`: a stranger's .onnx classifier becomes a file of edgekit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgekit.cli.parse_values import composite
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, say, write, write_json

if TYPE_CHECKING:
    from edgekit.export.adopt import Adoption
    from edgekit.export.third_party import Plain
    from edgekit.preprocess.spec import Preprocess

EXAMPLES = """Examples:

edgekit adopt plain.onnx --labels names.txt --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --resize 256 -o model.onnx

edgekit adopt tensorflow.onnx --labels names.txt --mean 0.5 --std 0.5 --resize 256 --pictures photos/ -o model.onnx

edgekit adopt caffe.onnx --labels names.txt --color BGR --mean 0.485,0.458,0.408 --std 0.00392157 --resize 256 -o m.onnx
"""


def run(
    plain: Annotated[Path, typer.Argument(help="A float32 classifier: one picture batch in, one value a class out.")],
    labels: Annotated[Path, typer.Option(help="Class names, one a line, in the order of its outputs.")],
    mean: Annotated[
        str, typer.Option(help="What it wants subtracted, in 0..1 units, of red, green, blue: 0.485,0.456,0.406.")
    ],
    std: Annotated[
        str, typer.Option(help="What it wants the rest divided by, in 0..1 units; 0.00392157 leaves 0..255 as it is.")
    ],
    resize: Annotated[int, typer.Option(min=1, help="Short edge in pixels before the crop.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The .onnx file to write.")],
    crop: Annotated[
        str | None, typer.Option(help="Height and width of its input, or both: 96,128.", show_default="as it says")
    ] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None, typer.Option(help="Order of its input's axes.", show_default="as it says")
    ] = None,
    color: Annotated[
        Literal["RGB", "BGR", "L"] | None,
        typer.Option(help="Order of its channels; L is gray.", show_default="RGB, or L for one channel"),
    ] = None,
    interpolation: Annotated[str, typer.Option(help="bilinear, bicubic, ...")] = "bilinear",
    output_kind: Annotated[
        Literal["logits", "probabilities"] | None, typer.Option(help="What it gives.", show_default="found out")
    ] = None,
    background_class: Annotated[
        Literal["first", "none"] | None,
        typer.Option(help="Whether its first class is none of the labels.", show_default="by their number"),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the network.", show_default="the file's")] = None,
    licence: Annotated[str, typer.Option(help="Of the weights, as an SPDX name.")] = "unknown",
    pictures: Annotated[
        Path | None, typer.Option(help="A labelled data set: its val pictures check every step and give the accuracy.")
    ] = None,
    features: Annotated[
        bool, typer.Option("--features", help="A further output `features`: the pooled vector before the last layer.")
    ] = False,
    activation_maps: Annotated[
        bool, typer.Option("--activation-maps", help="A further output `maps`: one for each class, to draw heat maps.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="What was found and written, as one JSON document.")] = False,
) -> None:
    """Put preprocessing, labels and licence into a stranger's .onnx file, and check that it answers as before."""
    from edgekit import dataset
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.export.adopt import adopt
    from edgekit.export.finalize import Form
    from edgekit.export.third_party import read_plain
    from edgekit.labels import read_labels

    require_onnx_path(output)
    stranger, names = read_plain(plain, layout=layout), read_labels(labels)
    preprocess = _preprocess(stranger, color, resize, crop, interpolation, mean, std)
    truth = dataset.read_held_out(pictures) if pictures else None
    with progress_bar("measuring", len(truth) if truth else None) as advance:
        adoption = adopt(
            stranger,
            output,
            preprocess=preprocess,
            labels=names,
            bgr=color == "BGR",
            output_kind=output_kind,
            background=background_class,
            model=name,
            licence=licence,
            pictures=truth,
            form=Form(features=features, activation_maps=activation_maps),
            on_picture=advance,
        )
    _show_json(adoption) if json else _show(adoption, stranger)


def _preprocess(
    stranger: Plain, color: str | None, resize: int, crop: str | None, interpolation: str, mean: str, std: str
) -> Preprocess:
    from edgekit.errors import SpecError
    from edgekit.preprocess.spec import Preprocess

    if crop is None and stranger.size is None:
        raise SpecError(f"{stranger.name}: leaves height and width open; give --crop")
    gray = color == "L" or (color is None and stranger.channels == 1)
    values = {
        "color": "L" if gray else "RGB",
        "resize": resize,
        "crop": stranger.size if crop is None else composite(crop),
        "interpolation": interpolation,
        "mean": composite(mean),
        "std": composite(std),
    }
    return Preprocess.from_dict(values)


def _show(adoption: Adoption, stranger: Plain) -> None:
    from edgekit.export.simplify import told

    info, figures = adoption.info, adoption.info.parity["adopt"]
    size = adoption.path.stat().st_size / 1e6
    batch = "any number of pictures" if adoption.batch is None else f"{adoption.batch} pictures"
    left_out = ", its first class left out" if adoption.background else ""
    write(f"{stranger.name}: {stranger.layout} {info.preprocess.crop}, gives {adoption.output_kind}{left_out}")
    write(
        f"{adoption.path}: {size:.2f} MB, {len(info.labels)} labels, {batch} at a time; logits within "
        f"{figures['logit_difference']} of the plain file's on {figures['pictures']} {figures['on']}; "
        f"{told(adoption.simplified_by)}"
    )
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} of {info.metrics['pictures']} pictures, from file to label")
    say(f"next: edgekit quantize {adoption.path} --calibration DATA -o SMALLER.onnx")


def _show_json(adoption: Adoption) -> None:
    found = {
        "output_kind": adoption.output_kind,
        "background": adoption.background,
        "batch": adoption.batch,
        "simplified_by": adoption.simplified_by,
    }
    write_json({"schema": 1, "path": str(adoption.path), **found, "info": adoption.info.to_dict()})
