"""Compares trainings with a teacher to the same trainings without one.

    python scripts/bench_distillation.py DATA TEACHER [--recipe FILE] [--width 0.25] [--images 16000] [--epochs 12]
        [--seeds 0 1 2] [--share 0.5] [--temperature 4] [--work FOLDER]

DATA is a data set as of `edgekit train`, with a val split; TEACHER a model file with its classes. The student has the
recipe of the default model, with another width and number of epochs and a single cosine. Both sides train on the same
images, in the same order, and keep the last epoch, so that no figure takes part in a choice. Prints the accuracies on
the val images with their difference, and the mean over the seeds with a 95% interval. Finished trainings in --work are
not repeated, interrupted ones are resumed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from scipy import stats

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.train import Recipe, train
from edgekit.train.recipe import read_values

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("teacher")
    parser.add_argument("--recipe", type=Path, default=ROOT / "models" / "mobilenet_v2-cifar10" / "recipe.toml")
    parser.add_argument("--width", type=float, default=0.25)
    parser.add_argument("--images", type=int, default=16_000)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--temperature", type=float, default=4.0)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bench_distillation")
    options = parser.parse_args()
    training, validation = dataset.read_both(options.data)
    training = training.sample(options.images, seed=0)
    differences = []
    for seed in options.seeds:
        plain, taught = (
            accuracy(options, training, validation, seed=seed, with_teacher=with_teacher)
            for with_teacher in (False, True)
        )
        differences.append(taught - plain)
        print(f"seed {seed}: without {plain:.2f}%, with a teacher {taught:.2f}% ({differences[-1]:+.2f})", flush=True)
    if len(differences) > 1:
        error = statistics.stdev(differences) / len(differences) ** 0.5
        width = float(stats.t.ppf(0.975, len(differences) - 1)) * error
        print(
            f"mean difference {statistics.mean(differences):+.2f} +- {width:.2f} points on {len(validation)} val images"
        )


def accuracy(
    options: argparse.Namespace, training: ImageSet, validation: ImageSet, *, seed: int, with_teacher: bool
) -> float:
    """The accuracy of a training on the val images, in percent."""
    values = read_values(options.recipe)
    values["seed"] = seed
    values["arguments"]["width_mult"] = options.width
    values["augment"].pop("progressive")
    for name in ("restarts", "restart_factor"):
        values["optimize"].pop(name)
    values["optimize"]["epochs"] = options.epochs
    name = f"seed-{seed}"
    if with_teacher:
        values["distill"] = {
            "teacher": options.teacher,
            "teacher_share": options.share,
            "teacher_temperature": options.temperature,
        }
        name += f"-teacher-{options.share:g}-{options.temperature:g}"
    checkpoint = train(
        Recipe.from_dict(values),
        training,
        validation,
        run=options.work / name,
        resume=True,
        evaluate_every=options.epochs,
    )
    return 100 * float(checkpoint.state["val_accuracy"])


if __name__ == "__main__":
    main()
