"""Compare the time of an evaluation with that of bulk prediction of the same images.

    python scripts/bench_evaluate.py MODEL DATA [--images 10000] [--rounds 3]

Both run in turn within one process, and the data is read once. Prints one JSON document: `ratio` is evaluation / bulk
prediction by wall-clock time, `cpu_ratio` by CPU time, which other processes on the machine influence less.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edgekit import Classifier, dataset
from edgekit.evaluate.evaluation import evaluate
from edgekit.evaluate.predictions import EvaluatedModel, bulk_predictions, predict_all
from edgekit.hub.model_files import model_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    images = dataset.read(options.data, "held-out").sample(options.images, seed=0)
    model = EvaluatedModel(options.model, model_path(options.model), Classifier(options.model))
    bulk, evaluated = [], []
    for _ in range(options.rounds):
        bulk.append(seconds(lambda: deque(bulk_predictions(model, images), maxlen=0)))
        evaluated.append(seconds(lambda: evaluate(predict_all([model], images), data="").to_dict()))
    ratios = np.array(evaluated) / np.array(bulk)
    ratio, cpu_ratio = np.median(ratios, axis=0).tolist()
    figures = {"bulk_s": min(bulk)[0], "evaluate_s": min(evaluated)[0], "ratio": ratio, "cpu_ratio": cpu_ratio}
    print(json.dumps({"images": len(images), **figures, "ratios": ratios[:, 0].tolist()}, indent=2))


def seconds(function: Callable[[], object]) -> tuple[float, float]:
    """Wall-clock and CPU seconds of a call."""
    start = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - start[0], time.process_time() - start[1]


if __name__ == "__main__":
    main()
