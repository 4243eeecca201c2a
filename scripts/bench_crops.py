"""Compare adaptive crops with one crop and ten crops: accuracy on held-out halves, and measured time.

    python scripts/bench_crops.py MODEL DATA [--budgets 1.25,1.5,1.75] [--halves 50] [--threads 1]

Accuracy is measured as by `edgekit crops`: adaptive crops are fitted to one half of the images and scored on the other,
both ways, many times; differences from ten crops are paired, with 95% intervals. Time is that of `Classifier.predict`
from file to label: the plans take turns on each image, in random order, after a warm-up. Ratios are ratios of sums over
all images, because adaptive crops take longer for some. Prints one line of JSON.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from edgekit import Classifier, dataset
from edgekit.evaluate.accuracy import class_indexes
from edgekit.evaluate.compare_crops import fit_plan, predict_crops, score_plans
from edgekit.preprocess.crops import plan_named


def seconds(classifier: Classifier, source: object, plan: object) -> float:
    start = time.perf_counter()
    classifier.predict(source, plan=plan)  # type: ignore[arg-type]
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--budgets", default="1.25,1.5,1.75")
    parser.add_argument("--halves", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()

    budgets = [float(budget) for budget in args.budgets.split(",")]
    classifier, images = Classifier(args.model, threads=args.threads), dataset.read(args.data, "all")
    truth = class_indexes(images, classifier.labels)
    predictions = predict_crops(classifier, images.sources, [plan_named(name) for name in ("center", "ten")])
    scores = score_plans(predictions, truth, budgets=budgets, halves=args.halves)
    adaptive = fit_plan(predictions, truth, budget=1.0)
    plans = ["center", "ten", *(adaptive.with_budget(budget) for budget in budgets)]
    for plan in plans:
        classifier.predict(images.sources[0], plan=plan)
    rng, times = np.random.default_rng(0), np.zeros((len(plans), len(images)))
    for number, source in enumerate(images.sources):
        for plan in rng.permutation(len(plans)):
            times[plan, number] = seconds(classifier, source, plans[plan])
    ratios = (times.sum(axis=1) / times[0].sum()).tolist()
    rows = [score.to_dict() | {"measured_time": ratio} for score, ratio in zip(scores, ratios, strict=True)]
    print(json.dumps({"images": len(images), "views": adaptive.view_names, "plans": rows}))


if __name__ == "__main__":
    main()
