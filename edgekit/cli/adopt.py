"""`edgekit adopt`: convert a third-party .onnx classifier to an edgekit model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from edgekit.cli import shared_options as shared
from edgekit.cli.option_values import composite
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import progress_bar
from edgekit.cli.render import write, write_json, write_message
from edgekit.cli.temperature import write_metrics
from edgekit.cli.wrong_files import check_model_files

if TYPE_CHECKING:
    from edgekit.dataset import ImageSet
    from edgekit.export.adopt import Adoption
    from edgekit.export.third_party import ThirdPartyModel
    from edgekit.preprocess.spec import Preprocess

EXAMPLES = """Examples:
  edgekit adopt torchvision.onnx --labels names.txt --mean 0.485,0.456,0.406 \\
      --std 0.229,0.224,0.225 --resize 256 -o model.onnx
  edgekit adopt tensorflow.onnx --labels names.txt --mean 0.5 --std 0.5 \\
      --resize 256 --images photos/ -o model.onnx
  edgekit adopt caffe.onnx --labels names.txt --color BGR \\
      --mean 0.485,0.458,0.408 --std 0.00392157 --resize 256 -o model.onnx
"""


_FROM_MODEL = "read from the model"


def run(
    plain: Annotated[
        Path, Argument("ONNX classifier (float32): a batch of images in, one value per class out.", metavar="FILE")
    ],
    labels: Annotated[Path, Option("Text file of class names, one per line, in the order of the model's outputs.")],
    mean: Annotated[
        str, Option("Per-channel mean the model expects (0-1 scale, RGB order), e.g. 0.5.", metavar="R,G,B")
    ],
    std: Annotated[
        str,
        Option(
            "Per-channel standard deviation the model expects (0-1 scale); 0.00392157 keeps the 0-255 scale.",
            metavar="R,G,B",
        ),
    ],
    resize: Annotated[int, Option("Short edge of the resized image in pixels.", metavar="PIXELS", least=1)],
    output: Annotated[Path, shared.MODEL_OUTPUT],
    crop: Annotated[str | None, shared.CROP._replace(default_text=_FROM_MODEL)] = None,
    layout: Annotated[
        Literal["nchw", "nhwc"] | None, Option("Axis order of the model's input.", default_text=_FROM_MODEL)
    ] = None,
    color: Annotated[
        Literal["RGB", "BGR", "L"] | None,
        Option("Channel order the model expects; L is grayscale.", default_text="RGB, or L for one channel"),
    ] = None,
    interpolation: Annotated[str, shared.INTERPOLATION._replace(default_text=None)] = "bilinear",
    output_kind: Annotated[
        Literal["logits", "probabilities"] | None,
        Option("Kind of the model's outputs: logits or probabilities.", metavar="KIND", default_text="detected"),
    ] = None,
    background_class: Annotated[
        Literal["first", "none"] | None,
        Option(
            "Whether class 0 is an unlabeled background class.",
            default_text="inferred from the label count",
            argument="background",
        ),
    ] = None,
    name: Annotated[str | None, Option("Name of the network.", default_text="the file name", argument="model")] = None,
    license: Annotated[str, shared.LICENSE] = "unknown",
    images: Annotated[Path | None, shared.VERIFICATION_IMAGES] = None,
    calibrate: Annotated[
        Path | None,
        Option(
            "Labeled data set (at least 100 val images) to fit a temperature to, which calibrates the probabilities. "
            "If --images names the same data, a fifth of it is used for the fit, and the rest judges.",
            metavar="DATA",
            default_text="none, so that the probabilities stay the model's",
            argument="temperature_images",
        ),
    ] = None,
    features: Annotated[bool, shared.FEATURES] = False,
    activation_maps: Annotated[bool, shared.ACTIVATION_MAPS] = False,
    json: Annotated[bool, Option("Print what was detected and written as one JSON document.")] = False,
) -> None:
    """Convert a third-party ONNX classifier to an edgekit model and verify that its predictions are unchanged."""
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.export.adopt import adopt
    from edgekit.export.finalize import Interface
    from edgekit.export.third_party import read_third_party
    from edgekit.labels import read_labels

    require_onnx_path(output)
    check_model_files(plain)
    third_party, names = read_third_party(plain, layout=layout), read_labels(labels)
    preprocess = _preprocess(
        third_party, color=color, resize=resize, crop=crop, interpolation=interpolation, mean=mean, std=std
    )
    judging, fit = _read_images(images, calibrate)
    with progress_bar("measuring", len(judging or ()) + len(fit or ()) or None) as advance:
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
            images=judging,
            temperature_images=fit,
            interface=Interface(features=features, activation_maps=activation_maps),
            on_image=advance,
            on_warning=lambda warning: write_message(f"warning: {warning}"),
        )
    _write_adoption_json(adoption) if json else _write_adoption(adoption, third_party)


def _read_images(images: Path | None, calibrate: Path | None) -> tuple[ImageSet | None, ImageSet | None]:
    """Return the images that verify and judge, and those that the temperature is fitted to."""
    from edgekit import dataset
    from edgekit.errors import DataError
    from edgekit.evaluate.temperature import MAX_IMAGES, MIN_IMAGES, split_for_temperature

    judging = dataset.read_held_out(images) if images else None
    if calibrate is None:
        return judging, None
    if judging is None or images is None or images.resolve() != calibrate.resolve():
        return judging, dataset.read_held_out(calibrate).sample(MAX_IMAGES, seed=0)
    judging, fit = split_for_temperature(judging)
    if fit is None:
        raise DataError(
            f"--calibrate needs {2 * MIN_IMAGES} images, of which half judge, if --images is the same data "
            f"(got {len(judging)})"
        )
    return judging, fit


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
        raise SpecError(f"{third_party.name}: the input size is dynamic; --crop is required")
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
    background = ", background class 0 removed" if adoption.background else ""
    write(f"{third_party.name}: {third_party.layout} {info.preprocess.crop}, {adoption.output_kind}{background}")
    write(
        f"{adoption.path}: {size:.2f} MB, {len(info.labels)} labels, batch size {adoption.batch or 'dynamic'}; logits "
        f"within {figures['logit_difference']} of the original's on {figures['images']} {figures['on']}; "
        f"{describe_simplifier(adoption.simplified_by)}"
    )
    write_metrics(info)
    path = shlex.quote(str(adoption.path))
    write_message(f"wrote {adoption.path}; next: edgekit quantize {path} --calibration DATA")


def _write_adoption_json(adoption: Adoption) -> None:
    properties = {
        "output_kind": adoption.output_kind,
        "background": adoption.background,
        "batch": adoption.batch,
        "simplified_by": adoption.simplified_by,
    }
    write_json({"schema": 2, "path": str(adoption.path), **properties, "info": adoption.info.to_dict()})
