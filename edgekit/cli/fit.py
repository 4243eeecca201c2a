"""`edgekit fit`: find, train and quantize the network that a device can afford."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from edgekit.cli import shared_options as shared
from edgekit.cli.flag_names import with_flags
from edgekit.cli.interruption import interrupts_acknowledged, this_command
from edgekit.cli.named_models import build_models
from edgekit.cli.next_commands import after_fitting, write_next
from edgekit.cli.option_values import composite
from edgekit.cli.options import Argument, Option, flag_of
from edgekit.cli.progress import stage_progress, uncounted_stage
from edgekit.cli.render import write_json, write_message
from edgekit.cli.wrong_files import check_model_files

if TYPE_CHECKING:
    from edgekit.fit import Budget, Device, Fitted

EXAMPLES = """Examples:
  edgekit fit photos/ --latency 5ms --size 4MB -o fitted
  edgekit fit photos/ --latency 20ms --device device.json --weights imagenet --hours 1 -o fitted
  edgekit fit photos/ --latency 5ms --no-training -o ranked
  edgekit fit --latency 5ms --network efficientnet_b0
  edgekit fit --explain model-int8.onnx
"""
_HOURS, _MAX_DROP, _WORKERS = 2.0, 1.0, 1
_BUDGET = ("latency", "size", "memory", "network", "precision")
_SEARCH = (
    *("hours", "minutes", "weights", "padding", "mean", "std", "no_training", "val_fraction"),
    *("max_drop", "allow_leaks", "workers", "seed", "output"),
)


def _of_weights(option: Option) -> Option:
    return option._replace(help=f"Of a FILE in --weights: {option.help[0].lower()}{option.help[1:]}")


def run(
    data: Annotated[
        Path | None,
        Argument(
            "Labeled images: a folder, a tar or zip archive, MNIST-style idx files, or a CSV file of file,label.",
            default_text="none: print what fits",
        ),
    ] = None,
    latency: Annotated[
        str | None,
        Option(
            "Most time that the network may take for one image, e.g. 5ms or 800us.",
            metavar="TIME",
            default_text="required, except with --explain",
        ),
    ] = None,
    size: Annotated[
        str | None, Option("Largest model file, e.g. 4MB or 900kB.", metavar="SIZE", default_text="any size")
    ] = None,
    memory: Annotated[
        str | None,
        Option("Most memory for the network's tensors, e.g. 60MB.", metavar="SIZE", default_text="any amount"),
    ] = None,
    device: Annotated[
        str,
        Option(
            "Device to fit to: `this` machine, which is measured first, or a device.json that a bench kit wrote on "
            "another one.",
            metavar="this|FILE",
        ),
    ] = "this",
    threads: Annotated[
        int | None,
        Option(
            "Number of CPU threads of the network on the device.",
            least=1,
            most=256,
            default_text="all available cores; of a file, the most it has",
        ),
    ] = None,
    hours: Annotated[
        float | None, Option("Time for the search in hours.", least=0.01, most=1000, default_text=f"{_HOURS:g}")
    ] = None,
    minutes: Annotated[
        float | None, Option("The same in minutes.", least=0.5, most=60000, default_text=f"{60 * _HOURS:g}")
    ] = None,
    weights: Annotated[
        tuple[str, ...],
        Option(
            "Pretrained weights to start from: imagenet or a file; may be repeated. Only networks that they fit are "
            "candidates.",
            metavar="NAME|FILE",
            default_text="none: train from scratch",
        ),
    ] = (),
    padding: Annotated[str | None, _of_weights(shared.PADDING)] = None,
    mean: Annotated[str | None, _of_weights(shared.MEAN)] = None,
    std: Annotated[str | None, _of_weights(shared.STD)] = None,
    network: Annotated[
        tuple[str, ...],
        Option(
            "Network or family to consider, e.g. mobilenet_v2 or efficientnet; may be repeated.",
            metavar="NAME",
            default_text="all that scale",
            argument="networks",
        ),
    ] = (),
    precision: Annotated[
        Literal["float32", "int8"] | None,
        Option("Only precision to consider: float32 or int8.", default_text="both", argument="precisions"),
    ] = None,
    no_training: Annotated[bool, Option("Stop at the ranked list of candidates; train nothing.")] = False,
    val_fraction: Annotated[
        float,
        Option("Share of each class held out for validation, if the data has no val images.", least=0, most=0.9),
    ] = 0.0,
    max_drop: Annotated[
        float | None,
        Option(
            "Largest accuracy drop by int8, in percentage points.",
            metavar="POINTS",
            least=0,
            most=100,
            default_text=f"{_MAX_DROP:g}",
        ),
    ] = None,
    allow_leaks: Annotated[bool, Option("Fit even if val images are also training images.")] = False,
    workers: Annotated[
        int | None, Option("Number of processes that load images.", least=0, default_text=str(_WORKERS))
    ] = None,
    seed: Annotated[int, Option("Random seed.", least=0)] = 0,
    output: Annotated[
        Path | None,
        Option(
            "Folder to write; a search in it is continued.",
            flags=("--output", "-o"),
            metavar="FOLDER",
            default_text="required with DATA",
        ),
    ] = None,
    explain: Annotated[
        str | None,
        Option("Instead, show which operators of this model take its time.", metavar="MODEL", default_text="none"),
    ] = None,
    json: Annotated[bool, Option("Print one JSON document.")] = False,
) -> None:
    """Find and train the network that a device can afford.

    Within a budget of latency, file size and memory, candidates of many widths, depths, resolutions and precisions are
    ranked by what they will cost on the device. The best ones are trained in rounds of halving; what is left is
    exported, quantized, measured and verified. The folder then has model.onnx, the recipe, front.json and report.html.

    Rerun the same command to continue after an interrupt. Without DATA, the scaling of each network that fits is shown.
    """
    given = locals()
    if explain is not None:
        _refuse(given, ("data", *_BUDGET, *_SEARCH), "is not for --explain, which shows what one model costs")
        _explain(explain, device, threads=threads, json=json)
        return
    budget = _budget(latency, size, memory)
    precisions = (precision,) if precision else ("float32", "int8")
    _check_networks(network)
    if data is None:
        _refuse(given, _SEARCH, "requires DATA: without images nothing is trained or written")
        _show_scalings(budget, device, threads=threads, networks=network, precisions=precisions, json=json)
        return
    folder, limit = _folder(output), _hours(hours, minutes)
    if all(entry == "imagenet" for entry in weights):
        _refuse(given, ("padding", "mean", "std"), "describes a weights file; name one with --weights FILE")
    from edgekit.fit import fit

    _check_inputs(data, folder, weights, val_fraction=val_fraction, seed=seed)
    found = _device(device, threads)
    with interrupts_acknowledged(lambda: _advice(folder)), stage_progress() as progress:
        fitted = fit(
            data,
            folder,
            budget=budget,
            device=found,
            hours=limit,
            weights=weights,
            arguments={"padding": padding} if padding else {},
            preprocess={name: composite(value) for name, value in (("mean", mean), ("std", std)) if value},
            networks=network,
            precisions=precisions,
            training=not no_training,
            val_fraction=val_fraction,
            max_drop=_MAX_DROP if max_drop is None else max_drop,
            allow_leaks=allow_leaks,
            workers=_WORKERS if workers is None else workers,
            seed=seed,
            progress=progress,
            on_note=lambda note: write_message(with_flags(note, "fit")),
        )
    _write(fitted, data, json=json)


def _write(fitted: Fitted, data: Path, *, json: bool) -> None:
    if json:
        from edgekit.fit.front_document import front_document

        write_json(front_document(fitted))
        return
    from edgekit.cli.fit_tables import write_fitted

    write_fitted(fitted)
    if fitted.model is None:
        write_message(f"wrote {fitted.output / 'front.json'} and {fitted.output / 'report.html'}")
    else:
        write_next(f"{fitted.model}, recipe.toml, front.json and report.html", *after_fitting(fitted.model, data=data))


def _refuse(given: dict[str, Any], names: tuple[str, ...], reason: str) -> None:
    """Raises SpecError for an option of these names that is given and has no effect."""
    from edgekit.errors import SpecError

    for name in names:
        if given[name] not in (None, False, 0, ()):
            raise SpecError(f"{'DATA' if name == 'data' else flag_of(name)} {reason}")


def _check_networks(names: tuple[str, ...]) -> None:
    """Raises SpecError for an unknown network, before minutes are spent on measuring the device."""
    from edgekit.fit.space import candidates

    candidates(classes=2, image_size=224, networks=names, precisions=("int8",))


def _check_inputs(data: Path, folder: Path, weights: tuple[str, ...], *, val_fraction: float, seed: int) -> None:
    """Raises the error of what cannot be used, before minutes are spent on measuring the device."""
    from edgekit.dataset import read_both
    from edgekit.fit.state_file import check_folder

    check_folder(folder)
    read_both(data, val_fraction=val_fraction, seed=seed)
    for file in weights:
        if file != "imagenet":
            from edgekit.zoo.weights import read_tensors  # here, because it imports torch

            read_tensors(file)


def _budget(latency: str | None, size: str | None, memory: str | None) -> Budget:
    from edgekit.errors import SpecError
    from edgekit.fit import Budget

    if latency is None:
        raise SpecError("--latency is required, e.g. --latency 5ms")
    return Budget.parse(latency=latency, size=size, memory=memory)


def _folder(output: Path | None) -> Path:
    from edgekit.errors import SpecError

    if output is None:
        raise SpecError("--output FOLDER is required with DATA")
    return output


def _hours(hours: float | None, minutes: float | None) -> float:
    from edgekit.errors import SpecError

    if hours is not None and minutes is not None:
        raise SpecError("--hours cannot be combined with --minutes")
    return hours if hours is not None else _HOURS if minutes is None else minutes / 60


def _device(name: str, threads: int | None) -> Device:
    """The device with its costs; this machine is measured, unless that was done before."""
    from edgekit.fit import device_named

    with stage_progress() as progress:
        return device_named(
            name, threads=threads, progress=progress, on_note=lambda note: write_message(with_flags(note, "fit"))
        )


def _advice(folder: Path) -> str:
    """How to go on after an interrupt."""
    from edgekit.fit.state_file import has_state

    if has_state(folder):
        return f"to continue, rerun the same command: {this_command()}"
    return f"nothing was trained; to start again: {this_command()}"


def _show_scalings(
    budget: Budget,
    device: str,
    *,
    threads: int | None,
    networks: tuple[str, ...],
    precisions: tuple[str, ...],
    json: bool,
) -> None:
    """Print the scaling of each network that fits, and what the compound rule gives."""
    from edgekit.fit import scalings

    found = _device(device, threads)
    with stage_progress() as progress:
        result = scalings(networks, budget=budget, device=found, precisions=precisions, progress=progress)
    if json:
        write_json(result.to_dict())
        return
    from edgekit.cli.fit_tables import write_scalings

    write_scalings(result)


def _explain(model: str, device: str, *, threads: int | None, json: bool) -> None:
    """Print which kinds of operators take a model's time."""
    from edgekit.artifact.info import read_info
    from edgekit.fit import explain
    from edgekit.fit.front_document import device_values
    from edgekit.hub.model_files import model_path

    check_model_files(model)
    build_models(model)
    read_info(model_path(model))  # before minutes are spent on measuring the device
    found = _device(device, threads)
    with uncounted_stage("measuring the model"):
        explanation = explain(model, found)
    if json:
        write_json({"schema": 1, "device": device_values(found), **explanation.to_dict(), "model": model})
        return
    from edgekit.cli.fit_tables import write_explanation

    write_explanation(explanation, model, found)
