"""`edgekit train`: from a data set to weights."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.progress import training_progress
from edgekit.cli.render import percent, say, write_json

if TYPE_CHECKING:
    from edgekit.train.loop import EpochResult
    from edgekit.train.recipe import Recipe

EXAMPLES = """Examples:

edgekit train data/ --model mobilenet_v2 --epochs 30 --run runs/first

edgekit train mnist/ --recipe models/lenet5-mnist/recipe.toml --run runs/lenet5

edgekit train data/ --recipe recipe.toml --run runs/first --resume
"""


def run(
    data: Annotated[
        Path, typer.Argument(help="An image folder with train/ and val/, an archive of one, or idx files.")
    ],
    run: Annotated[Path, typer.Option(help="Folder of this run: checkpoints, recipe, results.")],
    model: Annotated[str | None, typer.Option(help="A network of `edgekit models`.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml; the options below override it.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the pictures.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pictures in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The peak of the schedule.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of initialization, order and augmentation.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda where torch has it.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare pictures.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each epoch.")] = False,
) -> None:
    """Train a network from random initialization. It survives being killed: the same command with --resume goes on."""
    from edgekit import dataset
    from edgekit.optional import require

    require("torch", extra="train")
    from edgekit.train.loop import train

    settings = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate}
    chosen = _recipe(recipe, model, {name: value for name, value in settings.items() if value is not None}, seed)
    training, validation = (dataset.read(data, split) for split in ("train", "val"))
    say(f"{len(training)} training and {len(validation)} validation pictures of {len(training.classes)} classes")
    with training_progress() as on_step:
        train(
            chosen,
            training,
            validation,
            run=run,
            resume=resume,
            workers=workers,
            device=device,
            on_step=on_step,
            on_epoch=_show_json if json else _show,
        )
    say(f"wrote {run / 'model.safetensors'}; next: edgekit export {run / 'model.safetensors'} -o model.onnx")


def _show(result: EpochResult) -> None:
    say(
        f"epoch {result.epoch}/{result.epochs}  loss {result.loss:.4f}  train {percent(result.train_accuracy)}  "
        f"val {percent(result.val_accuracy)}  {result.seconds:.1f} s"
    )


def _show_json(result: EpochResult) -> None:
    write_json(dataclasses.asdict(result))


def _recipe(path: Path | None, model: str | None, optimize: dict[str, Any], seed: int | None) -> Recipe:
    from edgekit.errors import SpecError
    from edgekit.train.recipe import Recipe, read_recipe

    if path is None and model is None:
        raise SpecError("nothing to train: give --recipe FILE or --model NAME")
    values = read_recipe(path).to_dict() if path else {}
    values |= {"model": model} if model else {}
    values |= {"seed": seed} if seed is not None else {}
    return Recipe.from_dict(values | {"optimize": values.get("optimize", {}) | optimize})
