"""`edgekit train`: train or fine-tune an image classifier."""

from __future__ import annotations

import dataclasses
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from edgekit.cli import shared_options as shared
from edgekit.cli.flag_names import with_flags
from edgekit.cli.interruption import interrupts_acknowledged, this_command
from edgekit.cli.next_commands import after_training, write_next
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import download_progress, progress_bar, training_progress, uncounted_stage
from edgekit.cli.recipe_options import RecipeOptions, recipe_of
from edgekit.cli.render import percent, write_json, write_message
from edgekit.cli.typer_options import with_options_of
from edgekit.errors import SpecError, truncated

if TYPE_CHECKING:
    from edgekit.dataset import ImageSet
    from edgekit.preprocess.scores import Task
    from edgekit.shards import ShardLayout
    from edgekit.train.callbacks import EpochResult
    from edgekit.train.recipe import Recipe
    from edgekit.train.screen_images import ScreenedImages

_METRIC_NAMES: dict[Task, str] = {"single-label": "top-1", "multi-label": "mAP"}
_MAX_LISTED, _MAX_NAME = 10, 40  # classes whose images are counted in the first lines, characters of a name
EXAMPLES = """Examples:
  edgekit train photos/ --model mobilenet_v2 --weights imagenet --tune head
  edgekit train photos/ --model mobilenet_v2 --weights imagenet \\
      --tune partial --unfreeze stage7,last --epochs 10
  edgekit train photos/ --model mobilenet_v2 --val-fraction 0.2 --run runs/first
  edgekit train mnist/ --recipe models/lenet5-mnist/recipe.toml --run runs/mnist
  edgekit train photos/ --recipe recipe.toml --run runs/first --resume
  edgekit train s3://bucket/photos --recipe recipe.toml --shuffle-shards 32
  torchrun --nproc-per-node 2 -m -- \\
      edgekit train photos/ --recipe recipe.toml --run runs/first
"""


@with_options_of(RecipeOptions)
def run(
    data: Annotated[
        str,
        Argument(
            "Labeled images: a folder, a tar or zip archive, MNIST-style idx files, a CSV file of file,label, or of "
            "file,labels for several labels per image, separated by |, or tar or Parquet shards (file, folder, "
            "pattern, s3:// address)."
        ),
    ],
    run: Annotated[
        Path | None,
        Option("Folder for the checkpoints of this run.", metavar="FOLDER", default_text="runs/MODEL-TUNE-NUMBER"),
    ] = None,
    recipe: Annotated[
        Path | None, Option("Recipe file (.toml); options override its values.", default_text="none")
    ] = None,
    device: Annotated[str, Option("Device to train on: cpu or cuda.")] = "cpu",
    workers: Annotated[int, Option("Number of processes that load images.", least=0)] = 1,
    resume: Annotated[bool, Option("Resume from the last checkpoint of the run.")] = False,
    preview: Annotated[
        Path | None,
        Option("Instead of training, write a .png file of augmented images.", default_text="none", writes=(".png",)),
    ] = None,
    find_lr: Annotated[bool, Option("Instead of training, suggest a learning rate.")] = False,
    log: Annotated[
        str | None,
        Option(
            "Log to write besides results.csv: tensorboard (event files; needs the package tensorboard).",
            default_text="none",
        ),
    ] = None,
    image_column: Annotated[str | None, shared.IMAGE_COLUMN] = None,
    label_column: Annotated[str | None, shared.LABEL_COLUMN] = None,
    class_names: Annotated[Path | None, shared.CLASS_NAMES] = None,
    allow_leaks: Annotated[bool, Option("Train even if val images are also training images.")] = False,
    json: Annotated[bool, Option("Print one JSON line per epoch.")] = False,
    **options: Any,
) -> None:
    """Train or fine-tune an image classifier.

    Training can be resumed after a crash: rerun the same command with --resume.
    """
    from edgekit.optional import require

    with uncounted_stage("loading PyTorch"):
        require("torch", extra="train")
    from edgekit.hub.imagenet_weights import weights_path
    from edgekit.label_files import read_labels
    from edgekit.shards import ShardLayout
    from edgekit.train.distributed import check_device, is_first_process
    from edgekit.train.events import check_log
    from edgekit.train.teacher import check_teacher

    full_recipe = recipe_of(recipe, options, has_rate=preview is None and not find_lr)
    check_device(device)
    check_log(log)
    # First all that can fail at once: reading every image may take long.
    folder = None if preview is not None or find_lr else _run_folder(run, full_recipe, resume=resume)
    if preview is None and full_recipe.weights is not None:
        with download_progress() as on_bytes:
            weights_path(full_recipe.model, full_recipe.weights, on_bytes=on_bytes)
    check_teacher(full_recipe.distill)
    names = None if class_names is None else read_labels(class_names)
    layout = ShardLayout(image_column=image_column, label_column=label_column, class_names=names)
    training, validation = _read_screened(data, full_recipe, layout=layout, allow_leaks=allow_leaks)
    if folder is not None:
        _train(
            full_recipe,
            training,
            validation=validation,
            folder=folder,
            resume=resume,
            workers=workers,
            device=device,
            log=log,
            json=json,
        )
        if is_first_process():
            _write_next_commands(folder / "model.safetensors", data, has_own_split=not full_recipe.val_fraction)
    elif preview is not None:
        from edgekit.train.preview import write_preview

        write_preview(preview, training, full_recipe)
        write_message(f"wrote {preview}: one row per image, one column for each of 8 epochs from the first to the last")
    else:
        _sweep_learning_rate(full_recipe, training, workers=workers, device=device, json=json)


def _write_next_commands(model: Path, data: str, *, has_own_split: bool) -> None:
    from edgekit.shards.find import is_shard_source

    path = None if is_shard_source(data) else Path(data)
    write_next(str(model), *after_training(model, data=path, has_own_split=has_own_split))


def _read_screened(data: str, recipe: Recipe, *, layout: ShardLayout, allow_leaks: bool) -> tuple[ImageSet, ImageSet]:
    """Return the readable images for training and validation, after reporting the unreadable ones and leaks."""
    from edgekit import dataset
    from edgekit.dataset.leaks import check_leaks, find_leaks, find_pixel_leaks
    from edgekit.train.distributed import is_first_process
    from edgekit.train.screen_images import screen_images

    with uncounted_stage("listing images"):
        halves = dataset.read_both(data, val_fraction=recipe.val_fraction, seed=recipe.seed, layout=layout)
        if not allow_leaks:
            check_leaks(find_leaks(*halves), count=len(halves[1]))  # takes less time than decoding: first
    screened = []
    for name, images in zip(("train", "val"), halves, strict=True):
        with progress_bar(f"checking {name} images", len(images)) as advance:
            screened.append(screen_images(images, recipe.preprocess, max_bad=recipe.max_bad, on_image=advance))
        if is_first_process():
            _write_screening(name, screened[-1])
    training, validation = screened
    leaks = find_pixel_leaks(
        training.images,
        validation.images,
        fingerprints=(training.fingerprints, validation.fingerprints),
        color=recipe.preprocess.color,
    )
    check_leaks(leaks, count=len(validation.images), allowed=allow_leaks)
    return training.images, validation.images


def _train(
    recipe: Recipe,
    training: ImageSet,
    *,
    validation: ImageSet,
    folder: Path,
    resume: bool,
    workers: int,
    device: str,
    log: str | None,
    json: bool,
) -> None:
    from edgekit.train.distributed import is_first_process
    from edgekit.train.loop import train

    with interrupts_acknowledged(lambda: _resume_advice(folder)), training_progress() as (on_step, on_stage):
        checkpoint = train(
            recipe,
            training,
            validation,
            run=folder,
            resume=resume,
            workers=workers,
            device=device,
            log=log,
            on_step=on_step,
            on_stage=on_stage,
            on_epoch=_write_epoch_json if json else functools.partial(_write_epoch, recipe=recipe, task=training.task),
            on_note=lambda note: write_message(with_flags(note, "train")),
        )
    if is_first_process():
        state = checkpoint.state
        figures = f"{_METRIC_NAMES[checkpoint.task]} {percent(state['val_accuracy'])}"
        if state["macro_recall"] is not None:
            figures += f", macro recall {percent(state['macro_recall'])}"
        missed = state["never_predicted"]
        write_message(
            f"{figures} on {len(validation)} val images"
            + ("" if recipe.solver == "lbfgs" else f", after epoch {state['epoch']}")
            + (f"; {missed} of {len(checkpoint.classes)} classes never predicted" if missed else "")
        )


def _resume_advice(folder: Path) -> str:
    """How to go on after an interrupt."""
    from edgekit.train.distributed import is_only_process
    from edgekit.train.run_folder import RunFolder

    if RunFolder(folder).newest_checkpoint(resume=True) is None:
        return f"no epoch was finished; to start again: {this_command()}"
    if not is_only_process():
        return "to continue, run the same torchrun command with --resume"
    given = sys.argv[1:]
    run = () if any(word.partition("=")[0] == "--run" for word in given) else ("--run", str(folder))
    return f"to continue: {this_command(*run, *(() if '--resume' in given else ('--resume',)))}"


def _run_folder(run: Path | None, recipe: Recipe, *, resume: bool) -> Path:
    """Return the folder of the run; a new one unless --resume or another process has to find it.

    Raises DataError if a training would be overwritten, SpecError if --run is required and missing.
    """
    from edgekit.train.distributed import is_only_process
    from edgekit.train.run_folder import RunFolder, free_folder

    if run is not None:
        RunFolder(run).newest_checkpoint(resume=resume)
        return run
    if resume or not is_only_process():
        raise SpecError("--run FOLDER is required with --resume and for multi-process training")
    return free_folder(Path("runs"), f"{recipe.model}-{recipe.tune}")


def _sweep_learning_rate(recipe: Recipe, training: ImageSet, *, workers: int, device: str, json: bool) -> None:
    from edgekit.train.lr_finder import find_learning_rate

    steps = 100
    with progress_bar("testing learning rates", steps) as advance:
        sweep = find_learning_rate(recipe, training, steps=steps, workers=workers, device=device, on_step=advance)
    if json:
        write_json({"schema": 1, "suggestion": sweep.suggestion, "rates": sweep.rates, "losses": sweep.losses})
        return
    for rate, loss in list(zip(sweep.rates, sweep.losses, strict=True))[:: max(len(sweep.rates) // 12, 1)]:
        write_message(f"  {rate:8.1e}  loss {loss:.4f}")
    write_message(f"suggested: --learning-rate {sweep.suggestion:.2g}")


def _write_screening(name: str, screened: ScreenedImages) -> None:
    images, counts = screened.images, screened.counts
    write_message(
        f"{name}: {len(images)} images in {len(counts)} classes ({_class_counts(images.classes, counts)}); sizes "
        f"{screened.smallest} to {screened.largest}, mean {screened.mean_size}; {len(screened.unreadable)} unreadable"
    )
    for unreadable in screened.unreadable:
        write_message(f"  skipped: {unreadable}")


def _class_counts(classes: tuple[str, ...], counts: tuple[int, ...]) -> str:
    """The number of images of each class, or of many classes the range."""
    named = [f"{count} {truncated(name, _MAX_NAME)}" for name, count in zip(classes, counts, strict=True)]
    if len(named) <= _MAX_LISTED:
        return ", ".join(named)
    fewest, most = (pick(range(len(counts)), key=counts.__getitem__) for pick in (min, max))
    return f"from {named[fewest]} to {named[most]}"


def _write_epoch(result: EpochResult, *, recipe: Recipe, task: Task) -> None:
    train, val = ("train", "val") if task == "single-label" else ("train exact match", "val mAP")
    figures = [f"loss {result.loss:.4f}", f"{train} {percent(result.train_accuracy)}"]
    figures.append(f"{val} {percent(result.val_accuracy)}")
    if recipe.monitor == "loss" and result.val_loss is not None:
        figures.append(f"val loss {result.val_loss:.4f}")
    if result.macro_recall is not None:
        figures.append(f"macro recall {percent(result.macro_recall)}")
    if result.never_predicted:
        figures.append(f"{result.never_predicted} never predicted")
    is_solved = recipe.solver == "lbfgs" or result.epoch == 0
    done = "head solved" if is_solved else f"epoch {result.epoch}/{result.epochs}"
    write_message("  ".join((done, *figures, f"{result.seconds:.1f} s")))


def _write_epoch_json(result: EpochResult) -> None:
    write_json(dataclasses.asdict(result))
