"""The end of a search: the best candidate is trained to the end, quantized, verified and measured, or the next one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from edgekit.artifact.sidecar import sidecar_path
from edgekit.dataset import ImageSet
from edgekit.errors import QualityGateError
from edgekit.evaluate import images_for_temperature
from edgekit.export.networks import network_from_checkpoint
from edgekit.export.pipeline import convert
from edgekit.files import write_atomically
from edgekit.fit.figures_text import figures_text
from edgekit.fit.front import Figures
from edgekit.fit.measurements import quiet_figures
from edgekit.fit.plan import FINAL_SHARE, final_epochs
from edgekit.fit.recipes import final_recipe, transfer_recipe
from edgekit.fit.rungs import by_result
from edgekit.fit.search_task import SearchTask
from edgekit.quantize.quality_gate import Gate
from edgekit.quantize.schemes import SEARCH_ORDER
from edgekit.quantize.search import quantize
from edgekit.train.recipe import Recipe, to_toml

if TYPE_CHECKING:
    from pathlib import Path

# Two measurements of the same file differ by this much on a shared machine.
NOISE = 0.05
_CALIBRATION_IMAGES, _PARITY_IMAGES = 100, 100
# An int8 candidate is to compute in integers: with weights that are only stored in fewer bits it would not be as fast.
_SCHEMES = tuple(scheme for scheme in SEARCH_ORDER if scheme.storage == "integers")
_LEAST_SHARE = 0.25  # of the time of the final training, if an earlier candidate has used it up


def finish(task: SearchTask) -> None:
    """Train the best candidate to the end and write it; if it fails the quality gate or the budget, the next one.

    Args:
        task: the search, whose rungs are finished.

    Raises:
        QualityGateError: no candidate passed.
    """
    finals, reasons = task.state.finals, dict[str, str]()
    for number, (name, trained) in enumerate(_attempts(task)):
        if len(finals) == number:
            finals.append({"name": name, "trained": trained, **_training(task, trained), "outcome": None})
            task.state.save()
        final = finals[number]
        if final["outcome"] is None:
            final["outcome"] = _outcome(task, final)
            task.state.save()
        reason = final["outcome"]["rejected"]
        if reason is None:
            return
        reasons[name] = reason
        task.on_note(f"{name} is not written: it {reason}; going on with the next candidate")
    described = "; ".join(f"{name} {reason}" for name, reason in reasons.items())
    raise QualityGateError(
        f"none of {len(reasons)} candidates that were trained keeps its budget and passes: {described}"
    )


def _attempts(task: SearchTask) -> Iterator[tuple[str, str]]:
    """Candidates to finish, best first, each with the one whose training it uses.

    A network that is refused in int8 is tried in float32 if that keeps the budget by prediction, without being trained
    again.
    """
    entries = task.state.entries
    for name in by_result(task, (name for name, entry in entries.items() if entry["results"])):
        yield name, name
        candidate = task.points[name].candidate
        twin = task.points.get(dataclasses.replace(candidate, precision="float32").name)
        if twin is not None and twin.name != name and task.budget.admits(twin.predicted):
            yield twin.name, name


def _training(task: SearchTask, name: str) -> dict[str, Any]:
    """How a candidate is trained to the end in the time that is left: the entries of its record."""
    task.state.save()  # counts the time until now
    for final in task.state.finals:
        if final["trained"] == name:
            return {"epochs": final["epochs"], "tune": final["tune"]}
    entry, images = task.state.entries[name], task.images
    results = entry["results"]
    last = results[max(results, key=int)]
    left = task.seconds - task.state.seconds
    seconds = max(FINAL_SHARE / (FINAL_SHARE + 0.1) * left, _LEAST_SHARE * FINAL_SHARE * task.seconds)
    is_transfer = last["tune"] != "scratch"
    epochs = final_epochs(
        seconds,
        entry["images_per_s"],
        images=len(images.training),
        val_images=len(images.validation),
    )
    # Fine-tuning for longer than what was found to help would be another recipe.
    return {"epochs": min(epochs, last["epochs"]) if is_transfer else epochs, "tune": last["tune"]}


def recipe_of(task: SearchTask, final: Mapping[str, Any]) -> Recipe:
    """The recipe of a candidate that is trained to the end.

    Args:
        task: the search.
        final: its record in the state.
    """
    candidate, transfer = task.points[final["trained"]].candidate, task.transfer(final["trained"])
    if transfer is None:
        return final_recipe(candidate, epochs=final["epochs"], seed=task.seed, val_fraction=task.val_fraction)
    return transfer_recipe(
        candidate,
        transfer,
        tune=final["tune"],
        epochs=final["epochs"],
        seed=task.seed,
        val_fraction=task.val_fraction,
    )


def _outcome(task: SearchTask, final: Mapping[str, Any]) -> dict[str, Any]:
    """Train, export, quantize, verify and measure. Returns what the state keeps of it."""
    name, recipe, images = final["name"], recipe_of(task, final), task.images
    folder = task.folder(final["trained"], "final")
    task.train(recipe, images.training, images.validation, folder=folder, stage=f"training {name}")
    model = task.output / "model.onnx"
    try:
        verified = _written(task, name, folder=folder, model=model)
    except QualityGateError as error:
        return {"rejected": str(error)}
    (figures,) = quiet_figures([model], device=task.device, expected=[_expected(task, name)], on_note=task.on_note)
    outcome = {"rejected": None, "figures": figures._asdict(), **verified}
    if not task.budget.admits(figures, slack=NOISE if task.device.is_here else 0.0):
        missed = " and ".join(f"`{limit}`" for limit in task.budget.missed(figures))
        for path in (model, sidecar_path(model)):
            path.unlink(missing_ok=True)
        return outcome | {"rejected": f"exceeds {missed} with {figures_text(figures)}"}
    text = _recipe_text(task, final["name"], recipe, scheme=verified["scheme"])
    write_atomically(task.output / "recipe.toml", text.encode())
    return outcome


def _expected(task: SearchTask, name: str) -> Figures:
    """What a candidate cost with random weights; of one that was not measured, its predicted figures."""
    measured = task.state.entries.get(name, {}).get("measured")
    return Figures(**measured) if measured else task.points[name].predicted


def _written(task: SearchTask, name: str, *, folder: Path, model: Path) -> dict[str, Any]:
    """Write the model of a finished training. Returns its accuracies on the val images, and the verdict of the gate."""
    network, info = network_from_checkpoint(folder, license="unknown")
    validation, fit = task.images.validation, images_for_temperature(task.images.validation)
    is_quantized = task.points[name].candidate.precision == "int8"
    conversion = convert(
        network,
        info,
        folder / "float32.onnx" if is_quantized else model,
        images=validation.sample(_PARITY_IMAGES, seed=0) if is_quantized else validation,
        temperature_images=None if is_quantized else fit,
        progress=task.progress,
        on_warning=task.on_note,
    )
    if not is_quantized:
        metrics = conversion.info.metrics or {}
        accuracy = metrics.get("top1", metrics.get("map"))
        return {"val_accuracy": accuracy, "quantized_accuracy": None, "verdict": None, "scheme": None}
    trial = quantize(
        conversion.path,
        model,
        calibration=_calibration(task.images.training, task.seed),
        held_out=validation,
        temperature_images=fit,
        schemes=_SCHEMES,
        target=task.device.target,
        gate=Gate(max_drop=task.max_drop, min_speedup=0.0),  # the budget limits its latency
        on_warning=task.on_note,
        progress=task.progress,
    )
    parent, child = trial.result.parent, trial.result.child
    return {
        "val_accuracy": parent and parent.value,
        "quantized_accuracy": child and child.value,
        "verdict": trial.verdict,
        "scheme": trial.scheme.name,
    }


def _calibration(training: ImageSet, seed: int) -> ImageSet:
    return training.sample(_CALIBRATION_IMAGES, seed=seed)


def _recipe_text(task: SearchTask, name: str, recipe: Recipe, *, scheme: str | None) -> str:
    """The recipe as a file that `edgekit train` reads, with what has to be done after that as a comment."""
    lines = [
        f"# {name}, chosen by edgekit fit. To rebuild model.onnx:",
        "#   edgekit train DATA --recipe recipe.toml --run RUN",
        f"#   edgekit export RUN -o {'float32.onnx' if scheme else 'model.onnx --images DATA'}",
    ]
    if scheme is not None:
        lines.append(
            f"#   edgekit quantize float32.onnx --calibration DATA --target {task.device.target.name} "
            f"--scheme {scheme} --max-drop {task.max_drop:g} --min-speedup 0 -o model.onnx"
        )
    return "\n".join(lines) + f"\n{to_toml(recipe)}"
