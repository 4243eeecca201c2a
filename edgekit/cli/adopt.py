"""`edgekit adopt`: convert a third-party .onnx classifier to an edgekit model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from edgekit.cli import adopt_options as options
from edgekit.cli import shared_options as shared
from edgekit.cli.adoption_settings import (
    explicit_values,
    missing_flags,
    preprocess_values,
    read_label_option,
    source_lines,
)
from edgekit.cli.next_commands import after_export, predict_command, write_next
from edgekit.cli.options import Option
from edgekit.cli.progress import stage_progress, uncounted_stage
from edgekit.cli.render import write, write_json, write_message
from edgekit.cli.temperature import write_metrics
from edgekit.cli.wrong_files import check_model_files

if TYPE_CHECKING:
    from edgekit.dataset import ImageSet
    from edgekit.export.adopt import Adoption
    from edgekit.export.third_party import ThirdPartyModel
    from edgekit.export.third_party_config import ThirdPartyConfig

EXAMPLES = """Examples:
  edgekit adopt resnet-50/ -o model.onnx
  edgekit adopt keras.onnx --preset keras-caffe --labels imagenet -o model.onnx
  edgekit adopt torch.onnx --preset torchvision:ResNet50_Weights.IMAGENET1K_V2 \\
      -o model.onnx
  edgekit adopt plain.onnx --labels names.txt --mean 0.485,0.456,0.406 \\
      --std 0.229,0.224,0.225 --resize 256 --images photos/ -o model.onnx
"""


def run(
    plain: Annotated[Path, options.MODEL],
    output: Annotated[Path, shared.MODEL_OUTPUT._replace(argument="path")],
    config: Annotated[Path | None, options.CONFIG] = None,
    preset: Annotated[str | None, options.PRESET] = None,
    labels: Annotated[str | None, options.LABELS] = None,
    mean: Annotated[str | None, options.MEAN] = None,
    std: Annotated[str | None, options.STD] = None,
    fit: Annotated[Literal["short-edge", "cover", "squash", "letterbox"] | None, options.FIT] = None,
    resize: Annotated[str | None, options.RESIZE] = None,
    crop: Annotated[str | None, options.CROP] = None,
    offset: Annotated[Literal["round", "floor"] | None, options.OFFSET] = None,
    pad: Annotated[int | None, options.PAD] = None,
    fill: Annotated[str | None, options.FILL] = None,
    interpolation: Annotated[str | None, options.INTERPOLATION] = None,
    resampler: Annotated[Literal["pillow", "torch", "tensorflow"] | None, options.RESAMPLER] = None,
    color: Annotated[Literal["RGB", "BGR", "L"] | None, options.COLOR] = None,
    layout: Annotated[Literal["nchw", "nhwc"] | None, options.LAYOUT] = None,
    head: Annotated[str | None, options.HEAD] = None,
    output_kind: Annotated[Literal["logits", "probabilities"] | None, options.OUTPUT_KIND] = None,
    task: Annotated[Literal["single-label", "multi-label"] | None, options.TASK] = None,
    background_class: Annotated[Literal["first", "none"] | None, options.BACKGROUND_CLASS] = None,
    name: Annotated[str | None, options.NAME] = None,
    license: Annotated[str | None, options.LICENSE] = None,
    images: Annotated[Path | None, shared.VERIFICATION_IMAGES] = None,
    calibrate: Annotated[Path | None, options.CALIBRATE] = None,
    features: Annotated[bool, shared.FEATURES] = False,
    activation_maps: Annotated[bool, shared.ACTIVATION_MAPS] = False,
    json: Annotated[bool, Option("Print what was detected and written as one JSON document.")] = False,
) -> None:
    """Convert a third-party ONNX classifier to an edgekit model and verify that its predictions are unchanged.

    What lies beside and inside the model is read: config.json and preprocessor_config.json of transformers, config.json
    of timm, metadata of Ultralytics, and a file of class names. Flags take precedence.
    """
    from edgekit.artifact.paths import require_onnx_path
    from edgekit.export.adopt import adopt
    from edgekit.export.config_files import find_model
    from edgekit.export.finalize import Interface
    from edgekit.export.third_party import read_third_party
    from edgekit.preprocess.spec import Preprocess

    require_onnx_path(output)
    model = find_model(plain)
    check_model_files(model)
    given = {"mean": mean, "std": std, "fit": fit, "resize": resize, "crop": crop, "offset": offset, "pad": pad}
    given |= {"fill": fill, "interpolation": interpolation, "resampler": resampler}
    explicit = explicit_values(given | {"color": color and color.replace("BGR", "RGB")})
    third_party = read_third_party(model, layout=layout, output=head)
    found = _find_config(model, config, preset, labels=labels, suffices={"mean", "std", "resize"} <= explicit.keys())
    names = read_label_option(labels) if labels else found.labels or ()
    values = preprocess_values(third_party, found, explicit)
    _require_everything(third_party.name, missing_flags(values, names))
    others = {"labels": labels, "bgr": color, "task": task, "license": license, "model": name}
    sources = source_lines(found, {*explicit, *(key for key, value in others.items() if value is not None)})
    judging, fitting = _read_images(images, calibrate)
    with stage_progress() as progress:
        adoption = adopt(
            third_party,
            output,
            preprocess=Preprocess().with_changes(values),
            labels=names,
            bgr=bool(found.bgr) if color is None else color == "BGR",
            output_kind=output_kind,
            background=background_class,
            task=task or found.task,
            model=name or found.model,
            license=license or found.license or "unknown",
            images=judging,
            temperature_images=fitting,
            interface=Interface(features=features, activation_maps=activation_maps),
            progress=progress,
            on_warning=lambda warning: write_message(f"warning: {warning}"),
        )
    _write_adoption_json(adoption, sources) if json else _write_adoption(adoption, third_party, sources, data=images)


def _find_config(
    model: Path, config: Path | None, preset: str | None, *, labels: str | None, suffices: bool
) -> ThirdPartyConfig:
    """The model's configuration. One beside the model that cannot be read is not needed if labels and flags suffice."""
    from edgekit.errors import EdgekitError
    from edgekit.export.config_files import find_config
    from edgekit.export.third_party_config import ThirdPartyConfig

    try:
        return find_config(model, config=config, preset=preset, find_labels=not labels)
    except EdgekitError as error:
        if config is not None or preset is not None or not (labels and suffices):
            raise
        write_message(f"warning: not used: {error}")
        return ThirdPartyConfig()


def _require_everything(name: str, missing: list[str]) -> None:
    from edgekit.errors import SpecError

    if missing:
        raise SpecError(
            f"{name}: no configuration was found for {', '.join(missing)}; set them, or --config or --preset"
        )


def _read_images(images: Path | None, calibrate: Path | None) -> tuple[ImageSet | None, ImageSet | None]:
    """Return the images that verify, and those that the temperature is fitted to."""
    from edgekit import dataset
    from edgekit.errors import DataError
    from edgekit.evaluate.temperature import MAX_IMAGES, MIN_IMAGES, images_for_temperature

    with uncounted_stage("listing images"):
        judging = dataset.read_held_out(images) if images else None
    if calibrate is None:
        return judging, None
    if judging is None or images is None or images.resolve() != calibrate.resolve():
        return judging, dataset.read_held_out(calibrate).sample(MAX_IMAGES, seed=0)
    fit = images_for_temperature(judging)
    if fit is None:
        raise DataError(f"--calibrate needs {2 * MIN_IMAGES} images if --images is the same data (got {len(judging)})")
    return judging, fit


def _write_adoption(
    adoption: Adoption, third_party: ThirdPartyModel, sources: tuple[str, ...], *, data: Path | None
) -> None:
    from edgekit.export.simplify import describe_simplifier

    info, figures = adoption.info, adoption.info.parity["adopt"]
    size = adoption.path.stat().st_size / 1e6
    background = ", background class 0 removed" if adoption.background else ""
    write(f"{third_party.name}: {third_party.layout}, {adoption.output_kind}{background}")
    for line in (*adoption.notes, *sources):
        write(line)
    write(f"input {info.preprocess.describe()}")
    write(
        f"{adoption.path}: {size:.2f} MB, {len(info.labels)} labels, batch size {adoption.batch or 'dynamic'}; logits "
        f"within {figures['logit_difference']} of the original's on {figures['images']} {figures['on']}; "
        f"{describe_simplifier(adoption.simplified_by)}"
    )
    write_metrics(info)
    can_be_quantized = info.precision != "int8"
    path = adoption.path
    write_next(str(path), *(after_export(path, data=data) if can_be_quantized else [predict_command(path, data=data)]))


def _write_adoption_json(adoption: Adoption, sources: tuple[str, ...]) -> None:
    properties = {
        "output_kind": adoption.output_kind,
        "background": adoption.background,
        "batch": adoption.batch,
        "simplified_by": adoption.simplified_by,
        "sources": sources,
        "notes": adoption.notes,
    }
    write_json({"schema": 2, "path": str(adoption.path), **properties, "info": adoption.info.to_dict()})
