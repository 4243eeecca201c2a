"""Fuzz the opening of model files: the built-in LeNet-5 in float32 and int8, mutated, opened and run on one image.

python scripts/fuzz_models.py [--count 5000] [--seed 0]
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from fuzzing import Trial, main, mutated

from edgekit import Classifier
from edgekit.hub.built_in import built_in_models


def prepare(folder: Path) -> Trial:
    files = [path.read_bytes() for name, path in built_in_models().items() if name.startswith("lenet5")]
    # Most bytes are weights, whose changes are harmless; the structure lies at both ends and in the rest of the nodes.
    gray = np.full((28, 28, 3), 128, np.uint8)

    def trial(rng: random.Random) -> None:
        data = rng.choice(files)
        if rng.random() < 0.8:
            position = rng.choice((0, len(data) - 6000, rng.randrange(len(data))))
            part = data[max(position, 0) : max(position, 0) + 6000]
            data = data.replace(part, mutated(part, rng, other=data), 1)
        else:
            data = mutated(data, rng, other=rng.choice(files))
        Classifier(data, threads=1).predict(gray)

    return trial


if __name__ == "__main__":
    main(__doc__ or "", prepare, count=5_000)
