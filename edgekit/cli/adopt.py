"""`edgekit adopt`: a third-party .onnx classifier becomes a file of edgekit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from edgekit.cli.option_values import composite
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, write, write_json, write_message

if TYPE_CHECKING:
    from edgekit.export.adopt import Adoption
    from edgekit.export.third_party import ThirdPartyModel
    from edgekit.preprocess.spec import Preprocess

EXAMPLES = """Examples:

edgekit adopt plain.onnx --labels names.txt --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225 --resize 256 -o model.onnx

edgekit adopt tensorflow.onnx --labels names.txt --mean 0.5 --std 0.5 --resize 256 --images photos/ -o model.onnx

edgekit adopt caffe.onnx --labels names.txt --color BGR --mean 0.485,0.458,0.408 --std 0.00392157 --resize 256 -o m.onnx
"""


def run(
    plain: Annotated[Path, Argument("A float32 classifier: one image batch in, one value a class out.")],
    labels: Annotated[Path, Option("Class names, one a line, in the order of its outputs.")],
    mean: Annotated[str, Option("What it wants subtracted, in 0..1 units, of red, green, blue: 0.485,0.456,0.406.")],
    std: Annotated[str, Option("What it wants the rest divided by, in 0..1 units; 0.00392157 leaves 0..255 as it is.")],
    resize: Annotated[int, Option("Short edge in pixels before the crop.", least=1)],
    output: Annotated[Path, Option("The .onnx file to write.", flags=("--output", "-o"))],
    crop: Annotated[
        str | None, Option("Height and width of its input, or both: 96,128.", default_text="as it says")
    ] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None, Option("Order of its input's axes.", default_text="as it says")
    ] = None,
    color: Annotated[
        Literal["RGB", "BGR", "L"] | None,
        Option("Order of its channels; L is gray.", default_text="RGB, or L for one channel"),
    ] = None,
    interpolation: Annotated[str, Option("bilinear, bicubic, ...")] = "bilinear",
    output_kind: Annotated[
        Literal["logits", "probabilities"] | None, Option("What it gives.", default_text="found out")
    ] = None,
    background_class: Annotated[
        Literal["first", "none"] | None,
        Option("Whether its first class is none of the labels.", default_text="by their number"),
    ] = None,
    name: Annotated[str | None, Option("Of the network.", default_text="the file's")] = None,
    license: Annotated[str, Option("Of the weights, as an SPDX name.")] = "unknown",
    images: Annotated[
        Path | None, Option("A labeled data set: its val images check every step and give the accuracy.")
    ] = None,
    features: Annotated[bool, Option("A further output `features`: the pooled vector before the last layer.")] = False,
    activation_maps: Annotated[bool, Option("A further output `maps`: one for each class, to draw heat maps.")] = False,
    json: Annotated[bool, Option("What was found and written, as one JSON document.")] = False,
) -> None:
    """Put preprocessing, labels and license into a stranger's .onnx file, and check that it answers as before."""
    from edgekit import dataset
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.export.adopt import adopt
    from edgekit.export.finalize import Interface
    from edgekit.export.third_party import read_third_party
    from edgekit.labels import read_labels

    require_onnx_path(output)
    third_party, names = read_third_party(plain, layout=layout), read_labels(labels)
    preprocess = _preprocess(
        third_party, color=color, resize=resize, crop=crop, interpolation=interpolation, mean=mean, std=std
    )
    held_out = dataset.read_held_out(images) if images else None
    with progress_bar("measuring", len(held_out) if held_out else None) as advance:
        adoption = adopt(
            third_party,
            output,
            preprocess=preprocess,
            labels=names,
            bgr=color == "BGR",
            output_kind=output_kind,
            background=background_class,
            model=name,
            license=license,
            images=held_out,
            interface=Interface(features=features, activation_maps=activation_maps),
            on_image=advance,
        )
    _write_adoption_json(adoption) if json else _write_adoption(adoption, third_party)


def _preprocess(
    third_party: ThirdPartyModel,
    *,
    color: str | None,
    resize: int,
    crop: str | None,
    interpolation: str,
    mean: str,
    std: str,
) -> Preprocess:
    from edgekit.errors import SpecError
    from edgekit.preprocess.spec import Preprocess

    if crop is None and third_party.size is None:
        raise SpecError(f"{third_party.name}: leaves height and width open; give --crop")
    gray = color == "L" or (color is None and third_party.channels == 1)
    values = {
        "color": "L" if gray else "RGB",
        "resize": resize,
        "crop": third_party.size if crop is None else composite(crop),
        "interpolation": interpolation,
        "mean": composite(mean),
        "std": composite(std),
    }
    return Preprocess.from_dict(values)


def _write_adoption(adoption: Adoption, third_party: ThirdPartyModel) -> None:
    from edgekit.export.simplify import describe_simplifier

    info, figures = adoption.info, adoption.info.parity["adopt"]
    size = adoption.path.stat().st_size / 1e6
    batch = "any number of images" if adoption.batch is None else f"{adoption.batch} images"
    background = ", its first class left out" if adoption.background else ""
    write(f"{third_party.name}: {third_party.layout} {info.preprocess.crop}, gives {adoption.output_kind}{background}")
    write(
        f"{adoption.path}: {size:.2f} MB, {len(info.labels)} labels, {batch} at a time; logits within "
        f"{figures['logit_difference']} of the plain file's on {figures['images']} {figures['on']}; "
        f"{describe_simplifier(adoption.simplified_by)}"
    )
    if info.metrics:
        write(f"top-1 {percent(info.metrics['top1'])} of {info.metrics['images']} images, from file to label")
    write_message(f"next: edgekit quantize {adoption.path} --calibration DATA -o SMALLER.onnx")


def _write_adoption_json(adoption: Adoption) -> None:
    properties = {
        "output_kind": adoption.output_kind,
        "background": adoption.background,
        "batch": adoption.batch,
        "simplified_by": adoption.simplified_by,
    }
    write_json({"schema": 2, "path": str(adoption.path), **properties, "info": adoption.info.to_dict()})
