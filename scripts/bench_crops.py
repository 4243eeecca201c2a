"""Test whether the crop plans that `edgekit crops` recommends are better on images that it has not seen.

    python scripts/bench_crops.py MODEL DATA [--seeds 10] [--halves 20] [--plans flip,five,ten] [--by-index] [--times]

For each seed a random half of the images decides, as `edgekit crops` does. The other half then counts how many images
the plan wins and loses against the center crop, for the recommended plan and, in any case, for the chosen one (which is
not recommended if its gain is not proven), and how much longer it takes. Prints a line of JSON for each seed, and one
with the sums.

--times also measures `Classifier.predict` from file to label with every plan, adaptive ones fitted to all images: the
plans take turns on each image, in random order, after a warm-up. Ratios are ratios of sums over all images.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from edgekit import Classifier, dataset
from edgekit.dataset import ImageSet
from edgekit.evaluate.accuracy import true_labels
from edgekit.evaluate.compare_crops import CropComparison, PlanScore, compare_plans, fit_plan
from edgekit.evaluate.crop_predictions import CropPredictions, predict_crops
from edgekit.evaluate.fit_adaptive_crops import ClassIndexes, cumulative_predictions
from edgekit.preprocess.adaptive_crops import VIEW_RULES, AdaptivePlan
from edgekit.preprocess.crops import CropPlan, plan_named

BUDGETS = (1.1, 1.25, 1.5, 2.0)


def subset(predictions: CropPredictions, images: ClassIndexes) -> CropPredictions:
    """The predictions of some images."""
    return CropPredictions(
        logits=predictions.logits[images],
        by_plan={name: indexes[images] for name, indexes in predictions.by_plan.items()},
        views=predictions.views,
        consensus=predictions.consensus[images],
        first_ms=predictions.first_ms,
        further_ms=predictions.further_ms,
    )


def predicted(
    score: PlanScore, decided: CropPredictions, truth: ClassIndexes | None, other: CropPredictions
) -> tuple[ClassIndexes, float]:
    """The classes of other images by a plan, fitted to those that decided if it is adaptive, and its relative time."""
    if score.budget is None:
        return other.by_plan[score.plan], score.time
    plan = fit_plan(decided, truth, budget=score.budget)
    order = [tuple(VIEW_RULES).index(name) for name in plan.view_names]
    best, used = cumulative_predictions(other.logits[:, order], plan.temperature).stopped_at(plan.margin)
    return best, 1 + (used.mean() - 1) * other.further_ms / other.first_ms


def outcome(
    comparison: CropComparison, decided: CropPredictions, other: CropPredictions, *truths: ClassIndexes | None
) -> dict[str, object]:
    """What is recommended, what is chosen, and how the chosen plan does on the other images."""
    best, took = predicted(comparison.choice, decided, truths[0], other)
    now, before = best == truths[1], other.by_plan["center"] == truths[1]
    return {
        "recommended": comparison.recommended and comparison.recommended.name,
        "choice": comparison.choice.name,
        "gain_where_decided": comparison.choice.gain.value,
        "gain_of_choice": comparison.gain.to_dict(),
        "won": int((now & ~before).sum()),
        "lost": int((before & ~now).sum()),
        "time": took,
        "images_needed": comparison.images_needed,
    }


def decide(
    predictions: CropPredictions, truth: ClassIndexes, *, seeds: int, halves: int, unlabeled: bool = False
) -> list[dict[str, object]]:
    """Decide on a random half of the images and test on the other, once for each seed."""
    results = []
    for seed in range(seeds):
        half, rest = np.array_split(np.random.default_rng(seed).permutation(len(truth)), 2)
        decided, known = subset(predictions, half), None if unlabeled else truth[half]
        comparison = compare_plans(decided, known, budgets=BUDGETS, halves=halves, seed=seed)
        results.append({"seed": seed, **outcome(comparison, decided, subset(predictions, rest), known, truth[rest])})
        print(json.dumps(results[-1]), flush=True)
    return results


def measured_times(classifier: Classifier, images: ImageSet, plans: list[CropPlan | AdaptivePlan]) -> list[float]:
    """The time of each plan from file to label, relative to the first one's."""
    for plan in plans:
        classifier.predict(images.sources[0], plan=plan)
    rng, times = np.random.default_rng(0), np.zeros((len(plans), len(images)))
    for number, source in enumerate(images.sources):
        for plan in rng.permutation(len(plans)):
            start = time.perf_counter()
            classifier.predict(source, plan=plans[plan])
            times[plan, number] = time.perf_counter() - start
    return (times.sum(axis=1) / times[0].sum()).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="all", help="of the data set: all, train or val")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--halves", type=int, default=20)
    parser.add_argument("--plans", default="flip,five,ten,grid:3x3,wide,whole")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--by-index", action="store_true", help="classes are numbered as the model's, by other names")
    parser.add_argument("--unlabeled", action="store_true", help="decide without labels, by the consensus of views")
    parser.add_argument("--times", action="store_true", help="also measure the time of every plan")
    args = parser.parse_args()

    classifier, images = Classifier(args.model, threads=args.threads), dataset.read(args.data, args.split)
    truth = np.array(images.labels) if args.by_index else true_labels(images, classifier.info)
    fixed = [plan_named(name) for name in ("center", *args.plans.split(","))]
    predictions = predict_crops(classifier, images.sources, fixed)
    results = decide(predictions, truth, seeds=args.seeds, halves=args.halves, unlabeled=args.unlabeled)
    summary = {"model": args.model, "images": len(images), "seeds": args.seeds}
    for group, rows in (("recommended", [row for row in results if row["recommended"]]), ("choice", results)):
        summary[group] = {"times": len(rows)} | {key: sum(row[key] for row in rows) for key in ("won", "lost")}
    if args.times:
        adaptive = fit_plan(predictions, truth, budget=1.0)
        plans = [*fixed, *(adaptive.with_budget(budget) for budget in BUDGETS)]
        names = [*(plan.name for plan in fixed), *(f"adaptive {budget:g}" for budget in BUDGETS)]
        summary["measured_times"] = dict(zip(names, measured_times(classifier, images, plans), strict=True))
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
