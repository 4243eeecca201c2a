"""Measure the accuracy drop and speedup of int8 models: the table of the README.

    python scripts/bench_quantization.py MODEL[=ORIGINAL] DATA [...] [--splits 5] [--samples 100] [--size 224]

MODEL is a float32 edgekit model, DATA the labeled images to measure on. With ORIGINAL, a float32 model that MODEL
replaces, accuracy and speed are compared with those of ORIGINAL. Each model is quantized as by `edgekit quantize`, once
for each of several draws of the calibration images. The drop is the mean over the draws, paired: for each image, the
difference that int8 makes is averaged over the draws that held it out; the 95% interval comes from these images. The
speedup is measured in turn with float32 on one thread, and its median over the draws is shown; --size also measures it
at another input size, for networks that accept any. Prints a Markdown table, then one JSON document.
"""

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import numpy_helper

from edgekit.artifact.info import read_model
from edgekit.evaluate.timing import paired_latency
from edgekit.quantize import Gate, Trial, quantize
from edgekit.quantize.split_data import calibration_and_held_out
from edgekit.runtime.cpu import machine
from edgekit.runtime.session import SessionOptions, open_session

HEADER = (
    "| model | images | scheme | float32 top-1 | accuracy drop (95%) | worst draw | ms, 1 thread | speedup | MB |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL DATA")
    parser.add_argument("--splits", type=int, default=5, help="number of draws of the calibration images")
    parser.add_argument("--samples", type=int, default=100, help="number of calibration images")
    parser.add_argument("--size", type=int, help="also measure the speed at this height and width")
    options = parser.parse_args()
    if len(options.models) % 2:
        parser.error("give MODEL DATA pairs")
    results = []
    for named, data in zip(options.models[::2], options.models[1::2], strict=True):
        model, _, original = named.partition("=")
        draws = Draws(Path(model), Path(original or model), Path(data), options.splits, options.samples)
        results.append(benchmark(draws, size=options.size))
    print(HEADER)
    for result in results:
        print(row(result))
    print(json.dumps({"machine": machine(), "splits": options.splits, "samples": options.samples, "models": results}))


class Draws(NamedTuple):
    """A model, the one that it is compared with, the data, and the number of draws and of calibration images."""

    model: Path
    original: Path
    data: Path
    splits: int
    samples: int


def benchmark(draws: Draws, *, size: int | None) -> dict[str, Any]:
    """Quantize a model once for each draw and summarize the results."""
    differences: dict[str, list[float]] = defaultdict(list)
    trials = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "int8.onnx")
        for seed in range(draws.splits):
            calibration, held_out = calibration_and_held_out(draws.data, samples=draws.samples, seed=seed)
            trial = quantize(
                draws.model,
                path,
                calibration=calibration,
                held_out=held_out,
                against=draws.original,
                gate=Gate(min_speedup=0),
            )
            trials.append(trial)
            for name, difference in zip(held_out.names, lost_predictions(trial), strict=True):
                differences[name].append(difference)
        larger = speed_at(draws.original, path, size) if size else None
    means = np.array([np.mean(values) for values in differences.values()]) * 100
    half = 1.96 * float(means.std()) / np.sqrt(len(means))
    latencies = [trial.result.latencies[0] for trial in trials]
    return {
        "model": draws.model.stem,
        "against": draws.original.stem,
        "held_out": trials[0].result.parity.images,
        "recipes": sorted({trial.scheme.name for trial in trials}),
        "top1": statistics.mean(trial.result.parent.top1 for trial in trials if trial.result.parent),
        "drop": float(means.mean()),
        "drop_interval": [float(means.mean()) - half, float(means.mean()) + half],
        "worst_drop": max(trial.result.drop or 0.0 for trial in trials),
        "float32_ms": statistics.median(latency.baseline_ms for latency in latencies),
        "int8_ms": statistics.median(latency.other_ms for latency in latencies),
        "speedup": statistics.median(latency.speedup for latency in latencies),
        "at_size": larger,
        "float32_bytes": draws.original.stat().st_size,
        "int8_bytes": trials[0].result.size_bytes,
    }


def lost_predictions(trial: Trial) -> list[float]:
    """For each held-out image: 1 if only float32 predicts it correctly, -1 if only int8 does, otherwise 0."""
    parent, child = trial.result.parent, trial.result.child
    assert parent is not None, "the images have no labels"
    assert child is not None
    correct = [accuracy.probabilities.argmax(axis=1) == accuracy.truth for accuracy in (parent, child)]
    return (correct[0].astype(float) - correct[1]).tolist()


def speed_at(model: Path, quantized: Path, size: int) -> dict[str, float]:
    """Measure the speed at another input size; the network must end in global pooling."""
    sessions = [
        open_session(resized(path, size), name=str(path), options=SessionOptions(threads=1))
        for path in (model, quantized)
    ]
    channels = sessions[0].get_inputs()[0].shape[3]
    pixels = np.random.default_rng(0).integers(0, 256, (1, size, size, channels)).astype(np.uint8)
    return paired_latency(sessions[0], sessions[1], pixels, threads=1).to_dict() | {"size": size}


def resized(path: Path, size: int) -> bytes:
    """A model with another input height and width; normalization constants that are rows of pixels are resized too."""
    model = onnx.load_from_string(read_model(path))
    extents = model.graph.input[0].type.tensor_type.shape.dim
    rows = [t for t in model.graph.initializer if len(t.dims) > 2 and list(t.dims[-2:]) == [1, extents[2].dim_value]]
    for tensor in rows:
        values = numpy_helper.to_array(tensor)[..., :1]
        tensor.CopyFrom(numpy_helper.from_array(np.repeat(values, size, axis=-1), tensor.name))
    for extent in extents[1:3]:
        extent.dim_value = size
    data: bytes = model.SerializeToString()
    return data


def row(result: dict[str, Any]) -> str:
    low, high = result["drop_interval"]
    speed = f"{result['speedup']:.2f}x"
    if result["at_size"]:
        speed += f" ({result['at_size']['speedup']:.2f}x at {result['at_size']['size']})"
    against = "" if result["against"] == result["model"] else f" for {result['against']}"
    cells = (
        result["model"] + against,
        str(result["held_out"]),
        ", ".join(result["recipes"]),
        f"{100 * result['top1']:.2f}%",
        f"{result['drop']:+.2f} ({low:+.2f} to {high:+.2f})",
        f"{result['worst_drop']:+.2f}",
        f"{result['float32_ms']:.2f} -> {result['int8_ms']:.2f}",
        speed,
        f"{result['float32_bytes'] / 1e6:.2f} -> {result['int8_bytes'] / 1e6:.2f}",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
