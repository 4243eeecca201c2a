"""Compare the speed and memory of the predictor with those of a plain script.

    python scripts/bench_predictor.py INT8 PLAIN [--shared FOLDER] [--rounds 7] [--images 500] [--only ROW ...]

INT8 is an int8 edgekit model of an ImageNet network, PLAIN the same network as a float32 NCHW file of another tool.
FOLDER (EDGEKIT_SHARED, or ../shared) contains the baseline, bench/naive_predict.py, and data/ with imagenet-photos and
photo-12mp.jpg.

Each side runs in a separate process, both in turn, so that other load on the machine affects both; the result is the
median of the ratios of all pairs. Prints one JSON document: for each row the ratio, the required ratio (`at_least`),
the one aimed at later (`then`), and the medians of both sides.

The rows bare_* compare with the bare parts instead (`bare_parts.py`): how many times as long edgekit takes, required
to be at most `at_most`. bare_bulk relates to the time of the bare parts on one core, divided by two cores, and
bare_imports has no ratio but milliseconds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BARE = str(Path(__file__).with_name("bare_parts.py"))
TURN_S = 0.5  # for each warm side: about as long as the load of a shared machine stays the same

# Each program prints its measurements as the last line of its output.
WARM = """
import json, statistics, sys, time
from edgekit import Classifier
model, image, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
classifier, times, begin = Classifier(model), [], time.perf_counter()
classifier.predict(image)
while time.perf_counter() - begin < seconds or len(times) < 5:
    start = time.perf_counter()
    classifier.predict(image)
    times.append(time.perf_counter() - start)
print(json.dumps({"median_s": statistics.median(times)}))
"""
BULK = """
import json, sys, time
from edgekit import Classifier
model, images = sys.argv[1], sys.argv[2:]
with Classifier(model, threads=1) as classifier:
    classifier.warmup()
    start = time.perf_counter()
    failed = sum(isinstance(prediction, Exception) for prediction in classifier.predict_many(images))
print(json.dumps({"images_per_s": len(images) / (time.perf_counter() - start), "failed": failed}))
"""
# The resident memory of a process after predictions.
MEMORY = """
import sys
from pathlib import Path
from edgekit import Classifier
classifier = Classifier(sys.argv[1])
for _ in range(20):
    classifier.predict(sys.argv[2])
print(int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0]) / 1024)
"""
AGREEMENT = """
import json, sys, io
from PIL import Image
from edgekit import Classifier
fast, exact = Classifier(sys.argv[1]), Classifier(sys.argv[1], exact=True)
agree = 0
for path in sys.argv[2:]:
    with Image.open(path) as image:
        scale = (12_000_000 / (image.width * image.height)) ** 0.5
        size = (round(image.width * scale), round(image.height * scale))
        file = io.BytesIO()
        image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
    agree += fast.predict(file.getvalue()).label == exact.predict(file.getvalue()).label
print(json.dumps({"agree": agree, "images": len(sys.argv) - 2}))
"""
# The naive script as a command with typer instead of argparse, as a user might write it.
NAIVE_COMMAND = """
import json
from typing import Annotated
import numpy as np
import onnxruntime as ort
import typer
from PIL import Image

def main(model: str, image: str, mean: Annotated[float, typer.Option(help="Mean of every channel.")] = 0.5,
         std: Annotated[float, typer.Option(help="Standard deviation of every channel.")] = 0.5,
         top: Annotated[int, typer.Option(help="Number of classes to show.")] = 5) -> None:
    session = ort.InferenceSession(model)
    image = Image.open(image).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.BILINEAR)
    left, up = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.array(image.crop((left, up, left + 224, up + 224)), dtype=np.float32) / 255.0
    tensor = ((pixels - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
    logits = session.run(None, {session.get_inputs()[0].name: tensor})[0][0]
    print(json.dumps({"top": np.argsort(-logits)[:top].tolist()}))

typer.run(main)
"""


class Bench:
    """The files, and one method for each row of the table."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.int8, self.plain = str(options.int8.resolve()), str(options.plain.resolve())
        self.rounds = options.rounds
        data = options.shared.resolve() / "data"
        self.naive = str(options.shared.resolve() / "bench" / "naive_predict.py")
        self.photos = [str(path) for path in sorted((data / "imagenet-photos" / "images").iterdir())]
        self.photos = self.photos[: options.images]
        self.photo, self.large = self.photos[0], str(data / "photo-12mp.jpg")

    def warm(self) -> dict[str, Any]:
        return self._warm(self.photo)

    def warm_12mp(self) -> dict[str, Any]:
        return self._warm(self.large)

    def agreement_12mp(self) -> dict[str, Any]:
        counts = json.loads(output(AGREEMENT, self.int8, *self.photos))
        return {"share": counts["agree"] / counts["images"], **counts}

    def bulk(self) -> dict[str, Any]:
        """Bulk prediction and the naive loop over the same images, each in one process."""

        def naive() -> float:
            report = json.loads(output(self.naive, self.plain, *self.photos, "--rounds", "1"))
            return 1 / report["pictures_per_s"]  # sic

        def ours() -> float:
            return 1 / json.loads(output(BULK, self.int8, *self.photos))["images_per_s"]

        return compared(naive, ours, rounds=max(3, self.rounds // 3))

    def whole_process(self) -> dict[str, Any]:
        ours = [sys.executable, "-m", "edgekit", "predict", self.photo, "--model", self.int8]
        naive = [sys.executable, "-c", NAIVE_COMMAND, self.plain, self.photo]
        return compared(lambda: seconds(naive), lambda: seconds(ours), rounds=3 * self.rounds)

    def imports(self) -> dict[str, Any]:
        """The import of edgekit relative to that of its dependencies: here edgekit is the slower side."""
        ours = [sys.executable, "-c", "from edgekit import Classifier"]
        theirs = [sys.executable, "-c", "import numpy, onnxruntime, PIL.Image"]
        return compared(lambda: seconds(ours), lambda: seconds(theirs), rounds=3 * self.rounds)

    def memory(self) -> dict[str, Any]:
        library = statistics.median(float(output(MEMORY, self.int8, self.photo)) for _ in range(3))
        command = [sys.executable, "-m", "edgekit", "predict", self.photo, "--model", self.int8]
        return {"library_mb": library, "command_peak_mb": statistics.median(peak_mb(command) for _ in range(3))}

    def bare_warm(self) -> dict[str, Any]:
        return self._bare("warm", [self.photo])

    def bare_bulk(self) -> dict[str, Any]:
        return self._bare("bulk", self.photos[:100], ideal=0.5)

    def bare_opening(self) -> dict[str, Any]:
        return self._bare("opening", [])

    def bare_first(self) -> dict[str, Any]:
        return self._bare("first", [self.photo], processes=3 * self.rounds)

    def bare_imports(self) -> dict[str, Any]:
        return self._bare("imports", [], processes=3 * self.rounds)

    def _bare(self, what: str, images: Sequence[str], *, ideal: float = 1.0, processes: int = 3) -> dict[str, Any]:
        """The medians over several processes, and of their ratios; `ideal` scales the time of the bare side."""
        runs = [json.loads(output(BARE, what, self.int8, *images)) for _ in range(processes)]
        medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        ratios = sorted(run["ours_ms"] / (ideal * run["bare_ms"]) for run in runs)
        cpu = {}
        if "ours_cpu_ms" in medians:
            cpu = {"cpu_ratio": statistics.median(run["ours_cpu_ms"] / run["bare_cpu_ms"] for run in runs)}
        return {"ratio": statistics.median(ratios), "ratios": [ratios[0], ratios[-1]], **cpu, **medians}

    def _warm(self, image: str) -> dict[str, Any]:
        def naive() -> float:
            turns = "3" if image == self.large else "40"
            return float(json.loads(output(self.naive, self.plain, image, "--rounds", turns))["median_s"])

        def ours() -> float:
            return float(json.loads(output(WARM, self.int8, image, str(TURN_S)))["median_s"])

        return compared(naive, ours, rounds=self.rounds)


# For each row the required ratio, and the one aimed at later: at most for those that compare with bare parts, at least
# for the others.
ROWS: dict[str, tuple[Any, Any]] = {
    "warm": (1.5, 2),
    "warm_12mp": (3.5, 5),
    "agreement_12mp": (0.995, 1),
    "bulk": (2.4, 3),
    "whole_process": (2.5, 2.8),
    "imports": (1.15, 1.05),
    "memory": ("68 / 66 MB", "60 / 60 MB"),
    "bare_warm": (1.08, 1.04),
    "bare_bulk": (1.12, 1.06),
    "bare_opening": (1.25, 1.1),
    "bare_first": (1.4, 1.2),
    "bare_imports": ("8 ms", "5 ms"),
}


def compared(naive: Callable[[], float], ours: Callable[[], float], *, rounds: int) -> dict[str, Any]:
    """Time both sides in turn after a warm-up; the ratio is the median of the ratios of all pairs."""
    naive(), ours()
    pairs = [(naive(), ours()) for _ in range(rounds)]
    ratios = sorted(theirs / own for theirs, own in pairs)
    return {
        "ratio": statistics.median(ratios),
        "ratios": [ratios[0], ratios[-1]],
        "first_ms": statistics.median(theirs for theirs, _ in pairs) * 1e3,
        "second_ms": statistics.median(own for _, own in pairs) * 1e3,
    }


def environment() -> dict[str, str]:
    """The environment to run this source tree like an installed package, with compiled files."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**inherited, "PYTHONPATH": str(ROOT)}


def output(program: str, *arguments: str) -> str:
    """The last line that a program prints; the program is a file or its source text."""
    script = [program] if program.endswith(".py") else ["-c", program]
    command = [sys.executable, *script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    return done.stdout.splitlines()[-1]


def seconds(command: Sequence[str]) -> float:
    """The wall-clock time of a process."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment())
    return time.perf_counter() - start


def peak_mb(command: Sequence[str]) -> float:
    """The peak resident memory of a process."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment()) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for model in ("int8", "plain"):
        parser.add_argument(model, type=Path)
    parser.add_argument("--shared", type=Path, default=Path(os.environ.get("EDGEKIT_SHARED", ROOT.parent / "shared")))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS))
    options = parser.parse_args()
    bench = Bench(options)
    report = {}
    for row in options.only:
        least, then = ROWS[row]
        report[row] = {
            **getattr(bench, row)(),
            "at_most" if row.startswith("bare_") else "at_least": least,
            "then": then,
        }
        print(row, json.dumps(report[row]), file=sys.stderr, flush=True)
    print(json.dumps({"images": len(bench.photos), "rounds": bench.rounds, "rows": report}, indent=2))


if __name__ == "__main__":
    main()
