"""The commands that come next, printed ready to copy: train, export or adopt, quantize, predict and evaluate."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from edgekit.cli.render import write_message

_DATA, _IMAGE = "DATA", "IMAGE"  # placeholders, where the command does not know a name


def write_next(wrote: str, *commands: Sequence[str]) -> None:
    """Print what was written and the commands that come next, one a line, on stderr.

    Args:
        wrote: what was written, in words.
        commands: words of each command, the first one to run next.
    """
    first, *others = (shlex.join(command) for command in commands)
    write_message(f"wrote {wrote}; next: {first}")
    for command in others:
        write_message(f"then: {command}")


def after_training(checkpoint: Path, *, data: Path | None, has_own_split: bool) -> list[list[str]]:
    """Export, quantize and predict.

    Args:
        checkpoint: the trained model.
        data: the data set; None for shards, which the next commands do not read.
        has_own_split: whether its val images are its own. Otherwise the next commands cannot know which of its images
            trained the model, so they neither measure the accuracy nor fit a temperature on them.
    """
    model = Path("model.onnx")
    images = ["--images", str(data or _DATA)] if has_own_split else []
    export = ["edgekit", "export", str(checkpoint), *images, "-o", str(model)]
    quantize, predict = after_export(model, data=data)
    return [export, [*quantize, *([] if has_own_split else ["--no-temperature"])], predict]


def after_export(model: Path, *, data: Path | None) -> list[list[str]]:
    """Quantize and predict.

    Args:
        model: the float32 model.
        data: the data set, if it is known.
    """
    child = int8_path(model)
    output = ["-o", str(child)] if child.exists() else []  # only a file that is named is replaced
    quantize = ["edgekit", "quantize", str(model), "--calibration", str(data or _DATA), *output]
    return [quantize, predict_command(child, data=data)]


def after_quantizing(child: Path, *, parent: Path, data: Path, target: str) -> list[list[str]]:
    """Predict, compare with the model that it was made from, and bundle.

    Args:
        child: the quantized model.
        parent: the model that it was made from.
        data: the data set.
        target: the processor or device that it was quantized for.
    """
    evaluate = ["edgekit", "evaluate", str(parent), str(child), str(data)]
    return [predict_command(child, data=data), evaluate, bundle_command(child, target=target)]


def after_fitting(model: Path, *, data: Path) -> list[list[str]]:
    """Predict, evaluate and make what measures it on its device.

    Args:
        model: the fitted model.
        data: the data set.
    """
    report = ["--report", str(model.with_name("evaluation.html"))]
    return [
        predict_command(model, data=data),
        ["edgekit", "evaluate", str(model), str(data), *report],
        bench_command(model),
    ]


def bundle_command(model: Path, *, target: str) -> list[str]:
    """Bundle for a target or device."""
    from edgekit.runtime.targets import bundle_platform

    platform = bundle_platform(target)
    return ["edgekit", "bundle", str(model), "--for", platform, "-o", f"{model.stem}-{platform}"]


def bench_command(model: Path) -> list[str]:
    """Make what measures a model on a device."""
    return ["edgekit", "bundle", str(model), "--for", "python", "--bench", "-o", f"{model.stem}-kit"]


def predict_command(model: Path | str, *, data: Path | None = None) -> list[str]:
    """Predict the images of a folder, or an image.

    Args:
        model: file or name.
        data: the data set, if it is known; if it is a folder, its images are predicted.
    """
    images = str(data) if data is not None and data.is_dir() else _IMAGE
    return ["edgekit", "predict", images, "--model", str(model)]


def int8_path(model: Path) -> Path:
    """Where `edgekit quantize` writes, unless --output names another file."""
    return model.with_name(f"{model.stem}-int8.onnx")
