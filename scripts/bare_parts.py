"""Compare the predictor with its bare parts: the fewest lines that decode, resample and run the same file.

    python scripts/bare_parts.py warm|bulk|opening|first|imports MODEL IMAGE...

MODEL is an edgekit model of an ImageNet network, the images are JPEGs. Pillow and onnxruntime do all the work of the
bare side: no check, no limit, no error message, no metadata. Both sides alternate in one process, so that other load on
the machine affects both; `first` and `imports` are measured once, in a process that has done nothing else. The last
line is a JSON document of times in milliseconds: wall-clock time, and the time of the processor, which includes all
threads. `bench_predictor.py` runs this as its rows bare_*.

warm     one image after the other, with two threads: `predict` and the bare parts
bulk     an image in `predict_many` on two cores; the bare parts on one core, whose ideal is half of that
opening  Classifier(MODEL) and onnxruntime.InferenceSession(MODEL)
first    the first prediction of a Classifier and the second one
imports  `import edgekit`, where numpy, onnxruntime and Pillow are imported already, with all that Classifier needs
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

_WARM_TURNS, _OPENING_TURNS, _BULK_TURNS = 200, 15, 8
_CORES = 2


def warm(model: str, images: Sequence[str]) -> dict[str, float]:
    from edgekit import Classifier

    bare, classifier = bare_predictor(model, threads=_CORES), Classifier(model, threads=_CORES)
    return in_turn(lambda: bare(images[0]), lambda: classifier.predict(images[0]), turns=_WARM_TURNS)


def bulk(model: str, images: Sequence[str]) -> dict[str, float]:
    from edgekit import Classifier

    bare, classifier = bare_predictor(model, threads=1), Classifier(model, threads=1)

    def one_core() -> None:
        for image in images:
            bare(image)

    times = in_turn(one_core, lambda: list(classifier.predict_many(images, workers=_CORES)), turns=_BULK_TURNS)
    return {name: value / len(images) for name, value in times.items()}


def opening(model: str, images: Sequence[str]) -> dict[str, float]:
    import onnxruntime as ort

    from edgekit import Classifier

    options = ort.SessionOptions()
    options.intra_op_num_threads = _CORES
    return in_turn(
        lambda: ort.InferenceSession(model, options), lambda: Classifier(model, threads=_CORES), turns=_OPENING_TURNS
    )


def first(model: str, images: Sequence[str]) -> dict[str, float]:
    from edgekit import Classifier

    classifier = Classifier(model, threads=_CORES)
    begin = time.perf_counter()
    classifier.predict(images[0])
    middle = time.perf_counter()
    classifier.predict(images[0])
    return {"bare_ms": 1e3 * (time.perf_counter() - middle), "ours_ms": 1e3 * (middle - begin)}


def imports(model: str, images: Sequence[str]) -> dict[str, float]:
    begin = time.perf_counter()
    import numpy  # noqa: F401
    import onnxruntime  # noqa: F401
    import PIL.Image  # noqa: F401

    middle = time.perf_counter()
    from edgekit import Classifier  # noqa: F401

    return {"bare_ms": 1e3 * (middle - begin), "ours_ms": 1e3 * (time.perf_counter() - middle)}


def bare_predictor(model: str, *, threads: int) -> Callable[[str], int]:
    """Decode, resample, run: the index of the most probable class of an upright RGB JPEG."""
    import numpy as np
    import onnxruntime as ort
    from PIL import Image

    from edgekit import Classifier

    spec = Classifier(model).info.preprocess
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    # By default its threads spin on after a run, and so would take a core from the side whose turn is next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session, resample = ort.InferenceSession(model, options), Image.Resampling[spec.interpolation.upper()]
    resize, (height, width) = spec.resize, spec.crop
    assert isinstance(resize, int)

    def predict(path: str) -> int:
        with Image.open(path) as image:
            image.draft("RGB", (2 * resize, 2 * resize))
            image.load()
            scale = min(image.size) / resize
            left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
            box = (left, top, left + width * scale, top + height * scale)
            pixels = np.asarray(image.resize((width, height), resample, box=box))
        return int(session.run(["logits"], {"pixels": pixels[None]})[0].argmax())

    return predict


def in_turn(bare: Callable[[], Any], ours: Callable[[], Any], *, turns: int) -> dict[str, float]:
    """The medians of both sides, after a warm-up."""
    bare(), ours()
    times: list[tuple[float, float, float, float]] = []
    for _ in range(turns):
        start = time.perf_counter(), time.process_time()
        bare()
        middle = time.perf_counter(), time.process_time()
        ours()
        end = time.perf_counter(), time.process_time()
        times.append((middle[0] - start[0], middle[1] - start[1], end[0] - middle[0], end[1] - middle[1]))
    names = ("bare_ms", "bare_cpu_ms", "ours_ms", "ours_cpu_ms")
    return {name: 1e3 * statistics.median(column) for name, column in zip(names, zip(*times, strict=True), strict=True)}


if __name__ == "__main__":
    measure = {"warm": warm, "bulk": bulk, "opening": opening, "first": first, "imports": imports}[sys.argv[1]]
    print(json.dumps(measure(sys.argv[2], sys.argv[3:])))
