"""Threads that share one classifier for long: the answers of one, and no memory, thread or file more than before.

    python scripts/soak_predictor.py [MODEL] [--predictions 100000] [--threads 64] [--rounds 3] [--idle 10]

Prints one JSON document and ends with 1 where an answer differs by a bit, threads or open files became more, the idle
classifier takes more than 1% of a core, or memory grew by more than 1 MB per 100,000 predictions in the last of the
rounds of so many predictions each. In the rounds before, every thread's share of the memory comes to see the worst;
`mb` shows how it levels off.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgekit import Classifier
from edgekit.hub.shipped import DEFAULT_MODEL
from edgekit.image.source import ImageSource

IMAGES = 16
PER = 100_000
MOST_MB, MOST_IDLE = 1.0, 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=DEFAULT_MODEL)
    parser.add_argument("--predictions", type=int, default=PER)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=10.0)
    options = parser.parse_args()
    images = made_images()
    with Classifier(options.model) as classifier:
        serial = [classifier.predict(image).probabilities for image in images]
        shared = Shared(classifier, images, serial)
        states = [state()]
        for _ in range(options.rounds):
            start = time.perf_counter()
            shared.run(options.threads, options.predictions)
            rate = options.predictions / (time.perf_counter() - start)
            states.append(state())
        busy, start = time.process_time(), time.perf_counter()
        time.sleep(options.idle)
        idle = (time.process_time() - busy) / (time.perf_counter() - start)
    before, after = states[-2:]
    growth = (after["mb"] - before["mb"]) * PER / options.predictions
    report = {
        "predictions": options.rounds * options.predictions,
        "different": shared.different,
        "growth_mb_per_100000": growth,
        "idle_cpu": idle,
        "images_per_s": rate,
        **{name: [at[name] for at in states] for name in before},
    }
    print(json.dumps(report, indent=2))
    same = after["threads"] <= before["threads"] and after["files"] <= before["files"]
    sys.exit(0 if same and not shared.different and growth <= MOST_MB and idle <= MOST_IDLE else 1)


class Shared:
    """One classifier, what it answered alone, and how often threads were answered otherwise."""

    def __init__(self, classifier: Classifier, images: list[ImageSource], serial: list[Any]) -> None:
        self.different = 0
        self._classifier, self._images, self._serial = classifier, images, serial
        self._left, self._lock = 0, threading.Lock()

    def run(self, threads: int, predictions: int) -> None:
        """That many predictions by so many threads."""
        self._left = predictions
        workers = [threading.Thread(target=self._work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._left -= 1
                number = self._left
            if number < 0:
                return
            at = number % len(self._images)
            answer = self._classifier.predict(self._images[at])
            if not np.array_equal(answer.probabilities, self._serial[at]):
                with self._lock:
                    self.different += 1


def made_images() -> list[ImageSource]:
    """JPEG and PNG files of several sizes, as bytes, and arrays."""
    chance = np.random.default_rng(0)
    images: list[ImageSource] = []
    for number in range(IMAGES):
        pixels = chance.integers(0, 256, (24 + 3 * number, 70 - 2 * number, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG" if number % 2 else "PNG")
        images.append(pixels if number % 4 == 3 else file.getvalue())
    return images


def state() -> dict[str, Any]:
    """Resident megabytes, threads and open files of this process (Linux)."""
    time.sleep(0.5)  # a thread that was joined is still seen for a moment
    status = Path("/proc/self/status").read_text()
    return {
        "mb": int(status.split("VmRSS:")[1].split()[0]) / 1024,
        "threads": int(status.split("Threads:")[1].split()[0]),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


if __name__ == "__main__":
    main()
