r"""Compare the head that `edgekit train --tune head` solves for with other heads on the same features.

    python scripts/bench_head_tuning.py hymenoptera=photos/ cifar=cifar10.tar.gz mnist=mnist/ \
        --model efficientnet_lite0 --weights imagenet --sizes 20,100,500

For each data set, the features of a pool of images are computed once (with --cache FOLDER, only the first time). Each
split draws SIZE images of each class to fit to, and tests on up to --test others of each class, which take part in
nothing else. The other heads are scikit-learn's LogisticRegressionCV with its defaults and 5 folds, on standardized and
on raw features of the images themselves, and SGD with the defaults of `--solver sgd`. Differences are paired by split,
with 95% intervals. `--solver-seeds` repeats the solver with other folds. Prints a line for each set and size, and at
the end the means over all of them. With --cache, finished splits are kept there too, and a rerun goes on after them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats
from sklearn.linear_model import LogisticRegressionCV
from torch import Tensor

from edgekit import dataset
from edgekit.train.distributed import TrainingProcess
from edgekit.train.epoch_order import epoch_order
from edgekit.train.feeds import FeatureFeed
from edgekit.train.loader import Batch
from edgekit.train.metrics import batch_loss
from edgekit.train.optimizer import set_learning_rate
from edgekit.train.penalty_search import TrainingSet, cross_validate, fitted_layer, stratified_folds
from edgekit.train.recipe import Recipe
from edgekit.train.setup import initial_state
from edgekit.train.tune import linear_head

_HEADS = ("solved", "LRCV standardized", "LRCV raw", "SGD")


class Pool(NamedTuple):
    """Features of images and of their mirror images, float32 (images, 2, features), and labels, int64 (images,)."""

    features: Tensor
    labels: Tensor


class Split(NamedTuple):
    """Images to fit to and images to test on."""

    fitted: Pool
    tested: Pool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", metavar="NAME=DATA")
    parser.add_argument("--model", default="efficientnet_lite0")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--argument", action="append", default=[], metavar="NAME=VALUE", help="of the network")
    parser.add_argument("--mean", type=float, help="of each channel, if it is not that of the network")
    parser.add_argument("--std", type=float)
    parser.add_argument("--sizes", default="20,100,500")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--first-split", type=int, default=0, help="seed of the first split")
    parser.add_argument("--solver-seeds", type=int, default=3)
    parser.add_argument("--test", type=int, default=200, help="images of each class to test on")
    parser.add_argument("--cache", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    sizes = [int(size) for size in options.sizes.split(",")]
    seeds = range(options.first_split, options.first_split + options.splits)
    differences: dict[str, list[float]] = {head: [] for head in _HEADS[1:]}
    for entry in options.data:
        name, _, path = entry.partition("=")
        pool = pool_of(name, path, recipe_of(options), per_class=max(sizes) + options.test, cache=options.cache)
        for size in sizes:
            if int(torch.bincount(pool.labels).min()) < size + 10:
                print(f"{name} {size}: too few images")
                continue
            splits = [split_of(pool, size, options.test, seed) for seed in seeds]
            record = None if options.cache is None else options.cache / f"{name}-{options.model}-{size}.jsonl"
            accuracies = compared(splits, recipe_of(options), options.solver_seeds, seeds=seeds, record=record)
            report(f"{name} {size}", accuracies, differences)
    for head, values in differences.items():
        print(f"all sets: solved - {head}: mean {statistics.mean(values):+.2f}, lowest {min(values):+.2f}")


def recipe_of(options: argparse.Namespace) -> Recipe:
    values: dict[str, object] = {"model": options.model, "weights": options.weights, "tune": "head"}
    values["arguments"] = dict(argument.split("=") for argument in options.argument)
    statistics_of_pixels = {"mean": options.mean, "std": options.std}
    values["preprocess"] = {name: [value] * 3 for name, value in statistics_of_pixels.items() if value is not None}
    return Recipe.from_dict(values)


def pool_of(name: str, path: str, recipe: Recipe, *, per_class: int, cache: Path | None) -> Pool:
    """Features of up to `per_class` images of each class, by the pass that training makes."""
    file = None if cache is None else cache / f"{name}-{recipe.model}-{per_class}.npz"
    if file is not None and file.exists():
        with np.load(file) as saved:
            return Pool(torch.from_numpy(saved["features"]), torch.from_numpy(saved["labels"]))
    sets = list(dataset.read_both(path)) if Path(path).is_dir() else [dataset.read(path, "train")]
    parts = []
    begin = time.perf_counter()
    for images in sets:
        truth = images.truth()
        order = np.random.default_rng(0).permutation(len(images))
        kept = [order[truth[order] == label][:per_class] for label in range(len(images.classes))]
        drawn = images.subset(np.sort(np.concatenate(kept)).tolist())
        network = initial_state(recipe, drawn.classes, device="cpu").network
        one = drawn.subset([0])
        feed = FeatureFeed(network, drawn, one, recipe, workers=1, process=TrainingProcess())
        parts.append(Pool(torch.stack(feed.copies, 1), feed.labels))
    pool = Pool(*(torch.cat(tensors) for tensors in zip(*parts, strict=True)))
    print(
        f"{name}: features of {len(pool.labels)} images and their mirror images in {time.perf_counter() - begin:.0f} s"
    )
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, features=pool.features.numpy(), labels=pool.labels.numpy())
    return pool


def split_of(pool: Pool, size: int, test: int, seed: int) -> Split:
    rng, fitted, tested = np.random.default_rng((seed, size)), [], []
    for label in range(int(pool.labels.max()) + 1):
        images = rng.permutation(np.flatnonzero(pool.labels.numpy() == label))
        fitted.append(images[:size])
        tested.append(images[size : size + test])
    chosen = (torch.from_numpy(rng.permutation(np.concatenate(part))) for part in (fitted, tested))
    return Split(*(Pool(pool.features[part], pool.labels[part]) for part in chosen))


def compared(
    splits: list[Split], recipe: Recipe, solver_seeds: int, *, seeds: Iterable[int], record: Path | None
) -> dict[str, npt.NDArray[np.float64]]:
    """The accuracies of all heads, in percent: (splits,); of "solved" the mean over the seeds. Also seconds."""
    settings = [len(splits[0].fitted.labels), len(splits[0].tested.labels), solver_seeds]
    finished = {} if record is None or not record.exists() else dict(map(json.loads, record.read_text().splitlines()))
    rows = []
    for seed, split in zip(seeds, splits, strict=True):
        key = json.dumps([seed, *settings])
        if key not in finished:
            finished[key] = [*accuracies_of(split, recipe, solver_seeds)]
            if record is not None:
                with record.open("a") as file:
                    print(json.dumps([key, finished[key]]), file=file)
        rows.append(finished[key])
    names = (*_HEADS, "seconds", "spread over seeds")
    return dict(zip(names, np.array(rows).T, strict=True))


def accuracies_of(split: Split, recipe: Recipe, solver_seeds: int) -> Iterator[float]:
    plain, tested = split.fitted.features[:, 0], split.tested.features[:, 0]
    begin = time.process_time()
    solved = [accuracy(tested, *solution(split.fitted, seed), split.tested.labels) for seed in range(solver_seeds)]
    seconds = (time.process_time() - begin) / solver_seeds
    yield statistics.mean(solved)
    deviation, mean = torch.std_mean(plain, 0, correction=0)
    scale = torch.where(deviation > 0, 1 / deviation, 0.0)
    for fitted, inputs in (((plain - mean) * scale, (tested - mean) * scale), (plain, tested)):
        reference = LogisticRegressionCV(cv=5).fit(fitted.numpy(), split.fitted.labels.numpy())
        yield 100 * float(reference.score(inputs.numpy(), split.tested.labels.numpy()))
    yield accuracy(tested, *trained_layer(split.fitted, recipe), split.tested.labels)
    yield seconds
    yield max(solved) - min(solved)


def solution(fitted: Pool, seed: int) -> tuple[Tensor, Tensor]:
    """The layer as `--tune head` solves for it."""
    views, images = [*fitted.features.unbind(1)], len(fitted.labels)
    training = TrainingSet(views, fitted.labels, int(fitted.labels.max()) + 1, torch.ones(images, dtype=torch.float64))
    trials = cross_validate(training, stratified_folds(fitted.labels, seed=seed))
    return fitted_layer(training, min(trials, key=lambda trial: trial.log_loss))


def trained_layer(fitted: Pool, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """The layer as `--tune head --solver sgd` trains it by default."""
    optimize = {"epochs": 40}  # the default; an entry chooses the solver
    values = recipe.to_dict() | {"solver": "sgd", "optimize": optimize}
    recipe = Recipe.from_dict(values)
    classes = tuple(map(str, range(int(fitted.labels.max()) + 1)))
    state = initial_state(recipe, classes, device="cpu")
    features = fitted.features[:, 0].contiguous()
    for epoch in range(recipe.optimize.epochs):
        state.train_mode()
        steps = epoch_order(len(features), recipe, epoch)
        for number, step in enumerate(steps):
            indexes = torch.from_numpy(step)
            labels = fitted.labels[indexes]
            batch = Batch(features[indexes], labels, labels, 1.0, len(step))
            set_learning_rate(state.optimizer, recipe.optimize, epoch + (number + 1) / len(steps))
            logits, _ = state.training_network(batch.inputs)
            loss = batch_loss(logits, batch, smoothing=recipe.optimize.label_smoothing) / len(step)
            state.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            state.optimizer.step()
    layer = linear_head(state.averaged, recipe.model)
    return layer.weight.detach(), layer.bias.detach()


def accuracy(features: Tensor, weight: Tensor, bias: Tensor, labels: Tensor) -> float:
    predicted = (features @ weight.float().T + bias.float()).argmax(1)
    return 100 * float((predicted == labels).double().mean())


def report(name: str, accuracies: dict[str, npt.NDArray[np.float64]], differences: dict[str, list[float]]) -> None:
    solved = accuracies["solved"]
    figures = [f"solved {solved.mean():.2f}"]
    for head in _HEADS[1:]:
        difference = solved - accuracies[head]
        differences[head].append(float(difference.mean()))
        half = stats.t.ppf(0.975, len(difference) - 1) * difference.std(ddof=1) / np.sqrt(len(difference))
        figures.append(f"{head} {accuracies[head].mean():.2f} ({difference.mean():+.2f} +- {half:.2f})")
    figures.append(f"{accuracies['seconds'].mean():.1f} s of processor time")
    figures.append(f"spread over solver seeds {accuracies['spread over seeds'].mean():.2f}")
    print(f"{name}: {'; '.join(figures)}", flush=True)


if __name__ == "__main__":
    main()
