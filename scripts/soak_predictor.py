"""Soak test: many threads share one classifier for a long time, without different outputs and without leaks.

    python scripts/soak_predictor.py [MODEL] [--predictions 100000] [--threads 64] [--rounds 3] [--idle 10]

Runs several rounds of predictions and prints one JSON document. Exits with status 1 if an output differs in any bit, if
threads or open files remain, if the idle classifier uses more than 1% of a core, or if per 100,000 predictions of the
last round memory grew by more than 1 MB, or what is allocated in it by more than 0.1 MB. Memory grows in the first
rounds, as what one thread frees does not always fit what another needs; `mb` shows how it levels off. `allocated_mb`,
of glibc, is free of that: with the same work it stays the same.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
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
from edgekit.hub.model_files import default_model
from edgekit.image.source import ImageSource

IMAGES = 16
PREDICTIONS = 100_000
MAX_GROWTH_MB, MAX_ALLOCATED_GROWTH_MB, MAX_IDLE_SHARE = 1.0, 0.1, 0.01
_SIZES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=default_model())
    parser.add_argument("--predictions", type=int, default=PREDICTIONS)
    parser.add_argument("--threads", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=10.0)
    options = parser.parse_args()
    images = draw_images()
    with Classifier(options.model) as classifier:
        expected = [classifier.predict(image).probabilities for image in images]
        shared = SharedClassifier(classifier, images, expected)
        snapshots = [process_snapshot()]
        for _ in range(options.rounds):
            start = time.perf_counter()
            shared.run(options.threads, options.predictions)
            rate = options.predictions / (time.perf_counter() - start)
            snapshots.append(process_snapshot())
        cpu_start, start = time.process_time(), time.perf_counter()
        time.sleep(options.idle)
        idle = (time.process_time() - cpu_start) / (time.perf_counter() - start)
    before, after = snapshots[-2:]
    growth, allocated = (
        (after[name] - before[name]) * PREDICTIONS / options.predictions for name in ("mb", "allocated_mb")
    )
    report = {
        "predictions": options.rounds * options.predictions,
        "different": shared.different,
        "growth_mb_per_100000": growth,
        "allocated_growth_mb_per_100000": allocated,
        "idle_cpu": idle,
        "images_per_s": rate,
        **{name: [snapshot[name] for snapshot in snapshots] for name in before},
    }
    print(json.dumps(report, indent=2))
    no_leaks = after["threads"] <= before["threads"] and after["files"] <= before["files"]
    flat = growth <= MAX_GROWTH_MB and allocated <= MAX_ALLOCATED_GROWTH_MB
    sys.exit(0 if no_leaks and flat and not shared.different and idle <= MAX_IDLE_SHARE else 1)


class SharedClassifier:
    """A classifier that threads share, its expected outputs, and how many outputs differed."""

    def __init__(self, classifier: Classifier, images: list[ImageSource], expected: list[Any]) -> None:
        self.different = 0
        self._classifier, self._images, self._expected = classifier, images, expected
        self._left, self._lock = 0, threading.Lock()

    def run(self, threads: int, predictions: int) -> None:
        """Run a number of predictions in several threads."""
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
            index = number % len(self._images)
            prediction = self._classifier.predict(self._images[index])
            if not np.array_equal(prediction.probabilities, self._expected[index]):
                with self._lock:
                    self.different += 1


def draw_images() -> list[ImageSource]:
    """JPEG and PNG files as bytes, and arrays, of several sizes."""
    rng = np.random.default_rng(0)
    images: list[ImageSource] = []
    for number in range(IMAGES):
        pixels = rng.integers(0, 256, (24 + 3 * number, 70 - 2 * number, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG" if number % 2 else "PNG")
        images.append(pixels if number % 4 == 3 else file.getvalue())
    return images


class MallocInfo(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33 or later."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _SIZES.split())


def process_snapshot() -> dict[str, Any]:
    """Resident and allocated megabytes, number of threads and number of open files of this process (Linux, glibc)."""
    time.sleep(0.5)  # a joined thread remains visible for a moment
    gc.collect()
    status = Path("/proc/self/status").read_text()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = MallocInfo
    info = mallinfo()
    return {
        "mb": int(status.split("VmRSS:")[1].split()[0]) / 1024,
        "allocated_mb": (info.uordblks + info.hblkhd) / 2**20,
        "threads": int(status.split("Threads:")[1].split()[0]),
        "files": len(list(Path("/proc/self/fd").iterdir())),
    }


if __name__ == "__main__":
    main()
