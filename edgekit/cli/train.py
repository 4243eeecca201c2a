"""`edgekit train`: from a data set to weights."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgekit.cli.progress import progress_bar, training_progress
from edgekit.cli.recipe_options import recipe_of, recipe_options
from edgekit.cli.render import percent, say, write_json

if TYPE_CHECKING:
    from edgekit.dataset import PictureSet
    from edgekit.train.loop import EpochResult
    from edgekit.train.recipe import Recipe
    from edgekit.train.screen_images import Checked

EXAMPLES = """Examples:

edgekit train photos/ --model mobilenet_v2 --weights imagenet --tune head

edgekit train photos/ --model mobilenet_v2 --weights imagenet --tune partial --unfreeze stage7,last --epochs 10

edgekit train photos/ --model mobilenet_v2 --epochs 30 --val-fraction 0.2 --run runs/first

edgekit train mnist/ --recipe models/lenet5-mnist/recipe.toml --run runs/lenet5

edgekit train photos/ --recipe recipe.toml --run runs/first --resume

torchrun --nproc-per-node 2 -m -- edgekit train photos/ --recipe recipe.toml --run runs/first
"""


@recipe_options
def run(
    data: Annotated[
        Path,
        typer.Argument(
            help="An image folder, a tar or zip archive of one, MNIST-style idx files, or a CSV of file,label."
        ),
    ],
    run: Annotated[Path | None, typer.Option(help="Folder of this run; by default runs/MODEL-TUNE-NUMBER.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="A recipe.toml; the options override it.")] = None,
    device: Annotated[str, typer.Option(help="cpu, or cuda where torch has it.")] = "cpu",
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare pictures.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    preview: Annotated[
        Path | None, typer.Option(help="Write a PNG of what the network will see, and train nothing.")
    ] = None,
    find_lr: Annotated[bool, typer.Option("--find-lr", help="Suggest a learning rate, and train nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON line for each epoch.")] = False,
    **settings: Any,
) -> None:
    """Train a network, or tune one that is trained. The same command with --resume goes on after any interruption."""
    from edgekit.optional import require

    require("torch", extra="train")
    from edgekit.hub.resolve import resolve
    from edgekit.train.distributed import check_device

    chosen = recipe_of(recipe, settings)
    check_device(device)
    # Before every picture is looked at, which may take long.
    folder = None if preview is not None or find_lr else _folder(run, chosen, resume=resume)
    if preview is None and chosen.weights is not None:
        resolve(chosen.model, chosen.weights)
    training, validation = _pictures(data, chosen)
    if folder is not None:
        _train(chosen, training, validation, folder=folder, resume=resume, workers=workers, device=device, json=json)
        _say_next(folder / "model.safetensors", data, chosen)
    elif preview is not None:
        from edgekit.train.preview import write_preview

        write_preview(preview, training, chosen)
        say(f"wrote {preview}: a row for each picture, a column for each of 8 epochs from the first to the last")
    else:
        _find_lr(chosen, training, workers=workers, device=device, json=json)


def _pictures(data: Path, recipe: Recipe) -> tuple[PictureSet, PictureSet]:
    """Both halves of the data, without what cannot be read; said before work starts."""
    from edgekit import dataset
    from edgekit.train.distributed import leads
    from edgekit.train.screen_images import check

    halves = dataset.read_both(data, val_fraction=recipe.val_fraction, seed=recipe.seed)
    checked = []
    for name, pictures in zip(("train", "val"), halves, strict=True):
        with progress_bar(f"looking at {name}", len(pictures)) as advance:
            checked.append(check(pictures, recipe.preprocess, max_bad=recipe.max_bad, on_picture=advance))
        if leads():
            _show_checked(name, checked[-1])
    return checked[0].pictures, checked[1].pictures


def _train(
    recipe: Recipe,
    training: PictureSet,
    validation: PictureSet,
    *,
    folder: Path,
    resume: bool,
    workers: int,
    device: str,
    json: bool,
) -> None:
    from edgekit.train.distributed import leads
    from edgekit.train.loop import train

    with training_progress() as on_step:
        finished = train(
            recipe,
            training,
            validation,
            run=folder,
            resume=resume,
            workers=workers,
            device=device,
            on_step=on_step,
            on_epoch=_show_json if json else _show,
            on_note=say,
        )
    if leads():
        accuracy = finished.state["val_accuracy"]
        say(f"top-1 {percent(accuracy)} of {len(validation)} val pictures, after epoch {finished.state['epoch']}")


def _say_next(model: Path, data: Path, recipe: Recipe) -> None:
    """The command that comes next, to be copied; it judges by the val pictures where the data has its own."""
    from edgekit.train.distributed import leads

    pictures = [] if recipe.val_fraction else ["--pictures", str(data)]
    if leads():
        say(f"wrote {model}; next: {shlex.join(['edgekit', 'export', str(model), *pictures, '-o', 'model.onnx'])}")


def _folder(run: Path | None, recipe: Recipe, *, resume: bool) -> Path:
    """Where the run is; a new folder only where no other command or process must find the same one.

    Raises DataError where a training would be overwritten, SpecError where a folder must be told.
    """
    from edgekit.errors import SpecError
    from edgekit.train.distributed import is_alone
    from edgekit.train.run_folder import Run, free_folder

    if run is not None:
        Run(run).newest(resume=resume)
        return run
    if resume or not is_alone():
        raise SpecError("--resume, and a training in several processes, must be told its folder: give --run FOLDER")
    return free_folder(Path("runs"), f"{recipe.model}-{recipe.tune}")


def _find_lr(recipe: Recipe, training: PictureSet, *, workers: int, device: str, json: bool) -> None:
    from edgekit.train.lr_finder import find_learning_rate

    steps = 100
    with progress_bar("sweeping", steps) as advance:
        sweep = find_learning_rate(recipe, training, steps=steps, workers=workers, device=device, on_step=advance)
    if json:
        write_json({"schema": 1, "suggestion": sweep.suggestion, "rates": sweep.rates, "losses": sweep.losses})
        return
    for rate, loss in list(zip(sweep.rates, sweep.losses, strict=True))[:: max(len(sweep.rates) // 12, 1)]:
        say(f"  {rate:8.1e}  loss {loss:.4f}")
    say(f"suggested: --learning-rate {sweep.suggestion:.2g}")


def _show_checked(name: str, checked: Checked) -> None:
    pictures, counts = checked.pictures, checked.counts
    named = ", ".join(f"{count} {name}" for name, count in zip(pictures.classes[:10], counts[:10], strict=True))
    more = f" and {len(counts) - 10} more" if len(counts) > 10 else ""
    say(
        f"{name}: {len(pictures)} pictures of {len(counts)} classes ({named}{more}); {checked.smallest} to "
        f"{checked.largest}, mean {checked.mean_size}; {len(checked.bad)} unreadable"
    )
    for bad in checked.bad:
        say(f"  left out: {bad.reason if bad.reason.startswith(bad.name) else ': '.join(bad)}")


def _show(result: EpochResult) -> None:
    say(
        f"epoch {result.epoch}/{result.epochs}  loss {result.loss:.4f}  train {percent(result.train_accuracy)}  "
        f"val {percent(result.val_accuracy)}  {result.seconds:.1f} s"
    )


def _show_json(result: EpochResult) -> None:
    write_json(dataclasses.asdict(result))
