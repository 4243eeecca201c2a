"""Writes a model card from the model's files; no figure in it is typed by hand."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekit.artifact.info import ArtifactInfo, read_info
from edgekit.artifact.quality_verdict import interval_text, verdict_text
from edgekit.artifact.sidecar import read_sidecar
from edgekit.errors import DataError
from edgekit.files import read_regular_file, write_atomically

_MAX_BYTES = 2**20  # of about.toml
_SINGLE_LABEL_FIGURES = {"top-1": "top1", "top-5": "top5"}
_REQUIRED = ("title", "summary", "data", "data_license", "limits")


def write_card(folder: str | os.PathLike[str]) -> Path:
    """Write the card of a folder of models, card.md, from its .onnx files, their JSON sidecars and about.toml.

    Args:
        folder: folder with one or more .onnx files of the same network and about.toml, which contains what cannot be
            measured: title, summary, data, data_license and limits. If a teacher was trained for the network, its
            recipe is teacher.toml.

    Returns:
        The path of the card.

    Raises:
        ArtifactError: a model is not an edgekit model.
        DataError: there is no model, or about.toml is missing or incomplete.

    Example:
        >>> from edgekit.bundle.model_card import write_card
        >>> write_card("models/lenet5-mnist")  # doctest: +SKIP
        PosixPath('models/lenet5-mnist/card.md')
    """
    folder = Path(folder)
    about = read_about(folder)
    models = [(path, read_info(path)) for path in sorted(folder.glob("*.onnx"))]
    if not models:
        raise DataError(f"{folder}: no .onnx file; a model card describes at least one")
    sections = [f"# {about['title']}", about["summary"], _table(models), _usage(models[0][0])]
    sections += [_verdict(path, info) for path, info in models if "verdict" in info.parity.get("quantize", {})]
    sections += [_speed(path) for path, _ in models if read_sidecar(path).get("latency")]
    sections += [_input(models[0][1]), _training(folder, models[0][1]), _provenance(about, models)]
    card = folder / "card.md"
    write_atomically(card, ("\n\n".join(sections) + "\n").encode())
    return card


def read_about(folder: Path) -> dict[str, Any]:
    """Read folder/about.toml.

    Args:
        folder: folder of the models.

    Returns:
        Its values by name.

    Raises:
        DataError: the file cannot be read, or a required value is missing.
    """
    path = folder / "about.toml"
    data = read_regular_file(path, max_bytes=_MAX_BYTES, error=DataError)
    try:
        about = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}") from None
    missing = [name for name in _REQUIRED if not isinstance(about.get(name), str)]
    if missing:
        raise DataError(f"{path}: must set {', '.join(missing)} (text)")
    return about


def _table(models: Sequence[tuple[Path, ArtifactInfo]]) -> str:
    names = {"mAP": "map", "macro F1": "macro_f1"} if models[0][1].task == "multi-label" else _SINGLE_LABEL_FIGURES
    rows = [f"| file | precision | size | {' | '.join(names)} | images |", "|---|---|---|---|---|---|"]
    for path, info in models:
        metrics: Any = info.metrics or {}
        figures = [f"{100 * metrics[name]:.2f}%" if name in metrics else "-" for name in names.values()]
        size = f"{path.stat().st_size / 1e6:.2f} MB"
        rows.append(
            f"| {path.name} | {info.precision} | {size} | {' | '.join(figures)} | {metrics.get('images', '-')} |"
        )
    return "\n".join((*rows, "", _measured_on(models)))


def _measured_on(models: Sequence[tuple[Path, ArtifactInfo]]) -> str:
    text = "Measured from image file to label, on images that were not used for training"
    choice = next((info.epoch_choice for _, info in models if info.epoch_choice is not None), None)
    if choice is None:
        return f"{text}."
    epoch, epochs, monitor = (choice[name] for name in ("epoch", "epochs", "monitor"))
    return (
        f"{text}. If they are its validation images, they chose the epoch ({epoch} of {epochs}, best by {monitor}), "
        "so the accuracy is optimistic."
    )


def _verdict(path: Path, info: ArtifactInfo) -> str:
    evidence = info.parity["quantize"]
    return f"`{path.stem}` is {verdict_text(evidence)}. Measured: {interval_text(evidence)}."


def _usage(path: Path) -> str:
    return f"```sh\nedgekit predict image.png --model {path.stem}\n```"


def _speed(path: Path) -> str:
    sidecar = read_sidecar(path)
    latency, machine = sidecar["latency"], sidecar["machine"]
    return (
        f"`{path.stem}` takes {latency['other_ms']:.2f} ms per image, float32 {latency['baseline_ms']:.2f} ms: "
        f"{latency['speedup']:.2f}x the speed of float32 (network only, {latency['threads']} thread, interleaved, "
        f"medians; {machine['processor']} with {', '.join(machine['int8_features']) or 'no int8 instructions'}, "
        f"onnxruntime {machine['versions']['onnxruntime']})."
    )


def _input(info: ArtifactInfo) -> str:
    preprocess = info.preprocess
    shape = f"(batch, {preprocess.crop.height}, {preprocess.crop.width}, {preprocess.channels})"
    return (
        "## Input and output\n\n"
        f"`pixels`: uint8, {shape}: {preprocess.describe()}, center crop. The normalization is part of the graph. "
        f"`logits`: float32, (batch, {len(info.labels)}): {', '.join(info.labels)}."
    )


def _training(folder: Path, info: ArtifactInfo) -> str:
    has_teacher = (folder / "teacher.toml").exists()
    taught = " and a teacher, which [teacher.toml](teacher.toml) trains"
    arguments = ", ".join(f"{key}={value}" for key, value in info.arguments.items())
    return (
        f"## Training\n\n`{info.model}({arguments})`, trained from random initialization with "
        f"[recipe.toml](recipe.toml){taught if has_teacher else ''}. To rebuild it from the data:\n\n"
        f"```sh\npython scripts/rebuild_model.py {folder.name} --data DATA\n```"
    )


def _provenance(about: dict[str, Any], models: Sequence[tuple[Path, ArtifactInfo]]) -> str:
    digests = {info.weights_sha256 for _, info in models}
    license, data = models[0][1].license, f"{about['data']} ({about['data_license']})"
    return (
        f"## License and limits\n\nWeights: {license}. Data: {data}.\n\n"
        f"{about['limits']}\n\nCheckpoint: sha256 {', '.join(sorted(d for d in digests if d))}."
    )
