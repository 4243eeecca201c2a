r"""Compare partial and full fine-tuning by their defaults with the head alone, and with what a plain loop does.

    python scripts/bench_finetuning.py hymenoptera=photos/ cifar=cifar10.tar.gz mnist=mnist/ \
        --model mobilenet_v2 --weights imagenet --per-class 100 --seeds 0 1 --work FOLDER

For each data set and seed, draws images of each class to train on, and a fifth as many to choose the epoch by; the test
images, which take part in nothing else, are those of the set's val split. `plain` is what tutorials of torch do: all
layers from a random head, AdamW with a cosine, random crops, mirrored, colors changed, smoothed labels. Prints the
accuracy on the test images and the seconds of each training, and in the end, if it took part, the mean differences to
the head over all sets and seeds, with the lowest one. Finished trainings in --work are not repeated, interrupted ones
are resumed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import dataset
from edgekit.dataset import ImageSet
from edgekit.train import Recipe, train
from edgekit.train.checkpoint import Checkpoint
from edgekit.train.distributed import TrainingProcess
from edgekit.train.feeds import ImageFeed
from edgekit.train.metrics import EVALUATORS
from edgekit.zoo.network import PixelNetwork

_PLAIN = {
    "epochs": 8,
    "batch_size": 32,
    "optimizer": "adamw",
    "learning_rate": 5e-4,
    "weight_decay": 0.01,
    "label_smoothing": 0.1,
    "backbone_rate": 1.0,
    "layer_decay": 1.0,
    "ema_decay": 0.0,
    "head_start": False,
}
_CONTENDERS: dict[str, dict[str, Any]] = {
    "head": {"tune": "head"},
    "partial": {"tune": "partial"},
    "full": {"tune": "full"},
    "plain": {"tune": "full", "optimize": _PLAIN, "augment": {"crop_scale": (0.3, 1.0), "color": 0.2}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--model", default="mobilenet_v2")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--argument", action="append", default=[], metavar="NAME=VALUE", help="of the network")
    parser.add_argument("--mean", type=float, help="of each channel, if it is not that of the network")
    parser.add_argument("--std", type=float)
    parser.add_argument("--per-class", type=int, default=100)
    parser.add_argument("--test", type=int, default=1000, help="most images to test on")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--contenders", nargs="+", choices=_CONTENDERS, default=list(_CONTENDERS))
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="of [optimize], in all but head"
    )
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "bench_finetuning")
    options = parser.parse_args()
    compared = options.contenders if "head" in options.contenders else []
    differences: dict[str, list[float]] = {name: [] for name in compared if name != "head"}
    for entry in options.data:
        name, _, path = entry.partition("=")
        training, test = dataset.read_both(path)
        test = test.sample(min(options.test, len(test)), seed=0)
        for seed in options.seeds:
            fitted, validation = drawn(training, options.per_class, seed)
            accuracies = {
                contender: accuracy(options, contender, fitted, validation, test, run=f"{name}-{seed}", seed=seed)
                for contender in options.contenders
            }
            for contender, values in differences.items():
                values.append(accuracies[contender] - accuracies["head"])
    for contender, values in differences.items():
        print(f"{contender} - head: mean {statistics.mean(values):+.2f} points, lowest {min(values):+.2f}")


def drawn(images: ImageSet, per_class: int, seed: int) -> tuple[ImageSet, ImageSet]:
    """Images of each class to train on, and a fifth as many others to choose the epoch by."""
    truth, rng = images.truth(), np.random.default_rng(seed)
    fitted, held_out = [], []
    for label in range(len(images.classes)):
        order = rng.permutation(np.flatnonzero(truth == label))
        count = min(per_class, len(order) * 5 // 6)
        fitted.append(order[:count])
        held_out.append(order[count : count + -(-count // 5)])
    first, second = (images.subset(np.sort(np.concatenate(part)).tolist()) for part in (fitted, held_out))
    return first, second


def accuracy(
    options: argparse.Namespace,
    contender: str,
    fitted: ImageSet,
    validation: ImageSet,
    test: ImageSet,
    *,
    run: str,
    seed: int,
) -> float:
    """The accuracy on the test images, in percent; prints it with the duration of the training."""
    values = _CONTENDERS[contender] | {"model": options.model, "weights": options.weights, "seed": seed}
    values["arguments"] = dict(argument.split("=") for argument in options.argument)
    statistics_of_pixels = {"mean": options.mean, "std": options.std}
    values["preprocess"] = {name: [value] * 3 for name, value in statistics_of_pixels.items() if value is not None}
    if contender not in ("head", "plain") and options.set:
        values["optimize"] = {name: json.loads(value) for name, value in (entry.split("=") for entry in options.set)}
    recipe, folder = Recipe.from_dict(values), options.work / run / contender
    done = folder / "test.json"
    if not done.exists():
        begin = time.perf_counter()
        checkpoint = train(recipe, fitted, validation, run=folder, resume=True)
        seconds = time.perf_counter() - begin
        figures = {"accuracy": tested(checkpoint, test), "seconds": seconds, "epoch": checkpoint.state["epoch"]}
        done.write_text(json.dumps(figures))
    figures = json.loads(done.read_text())
    print(
        f"{run} {contender}: {figures['accuracy']:.2f}% on {len(test)} test images, epoch {figures['epoch']}, "
        f"{figures['seconds']:.0f} s for {len(fitted)} images",
        flush=True,
    )
    return float(figures["accuracy"])


def tested(checkpoint: Checkpoint, test: ImageSet) -> float:
    """The accuracy of a network on other images, in percent."""
    preprocess = checkpoint.recipe.preprocess
    network = PixelNetwork(checkpoint.network(), mean=preprocess.mean, std=preprocess.std)
    evaluator = EVALUATORS[test.task](classes=len(test.classes), share=np.arange(len(test)), images=len(test))
    feed = ImageFeed(test, test, checkpoint.recipe, workers=1, process=TrainingProcess())
    return 100 * float(evaluator.scores(evaluator.collect(network, feed.evaluation())).val_accuracy)


if __name__ == "__main__":
    main()
