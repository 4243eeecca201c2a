"""Compares trainings with a teacher to the same trainings without one.

    python scripts/bench_distillation.py DATA TEACHER [--width 0.25] [--images 16000] [--epochs 12]
        [--seeds 0 1 2] [--share 0.5] [--temperature 4] [--work FOLDER]

DATA is a data set of small images as of `edgekit train`, with a val split, such as CIFAR-10; TEACHER a model file with
its classes. The student is a narrow MobileNetV2. Both sides train on the same images, in the same order, and keep the
last epoch, so that no figure takes part in a choice. Prints the accuracies on the val images with their difference, and
the mean over the seeds with a 95% interval. Finished trainings in --work are not repeated, interrupted ones are
resumed.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
from pathlib import Path
from typing import Any

from scipy import stats

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.train import Recipe, train

# Of both sides, without what the options change.
RECIPE = {
    "model": "mobilenet_v2",
    "keep": "last",
    "arguments": {"dropout": 0.1, "stem_stride": 1, "stage_strides": [1, 2, 1, 2, 1, 2, 1]},
    "preprocess": {"resize": 32, "crop": [32, 32], "mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]},
    "augment": {"mirror": True, "crop_padding": 4},
    "optimize": {
        "batch_size": 128,
        "learning_rate": 0.2,
        "weight_decay": 3e-4,
        "warmup_epochs": 2,
        "label_smoothing": 0.05,
        "ema_decay": 0.998,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("teacher")
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
    values: dict[str, Any] = copy.deepcopy(RECIPE) | {"seed": seed}
    values["arguments"]["width_mult"] = options.width
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
