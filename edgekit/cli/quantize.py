"""`edgekit quantize`: a smaller and faster model, if it passes the quality gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import stage_progress
from edgekit.cli.render import percent, table, write, write_json, write_message

if TYPE_CHECKING:
    from edgekit.quantize import HeldOutResult, Trial

EXAMPLES = """Examples:

edgekit quantize model.onnx --calibration photos/

edgekit quantize model.onnx --calibration photos/ --truth truth.csv --max-drop 0.5 --min-speedup 1.5 -o small.onnx

edgekit quantize model.onnx --calibration data.tar.gz --target arm64 --all
"""
_HEADER = ("scheme", "top-1", "agreement", "divergence", "ms 1T", "ms 2T", "speedup", "MB", "peak MB", "verdict")


def run(
    model: Annotated[Path, Argument("The float32 artifact.")],
    calibration: Annotated[
        Path,
        Option(
            "Images: train ones set the ranges and val ones judge; where they are not split so, --samples of "
            "them set the ranges and the others judge."
        ),
    ],
    truth: Annotated[Path | None, Option("A CSV of file,label for a folder of bare images.")] = None,
    output: Annotated[
        Path | None,
        Option("The file to write.", flags=("--output", "-o"), default_text="MODEL-int8.onnx, if it is not there"),
    ] = None,
    against: Annotated[
        Path | None,
        Option(
            "The float32 artifact that the result must not be worse than, such as the original of a network with "
            "other activations.",
            default_text="MODEL",
        ),
    ] = None,
    samples: Annotated[int, Option("Calibration images.", least=8)] = 100,
    max_drop: Annotated[float, Option("Points of top-1 that may be lost.", least=-100, most=100)] = 1.0,
    min_speedup: Annotated[float, Option("Times as fast as float32, on one thread here.", least=0)] = 1.0,
    min_agreement: Annotated[
        float, Option("Without labels: percent of the images with float32's label.", least=0, most=100)
    ] = 95.0,
    max_divergence: Annotated[
        float, Option("Without labels: mean KL divergence of the probabilities, in nats.", least=0)
    ] = 0.1,
    target: Annotated[str | None, Option("x86-vnni, x86-avx2, arm64 or web.", default_text="this machine's")] = None,
    scheme: Annotated[str | None, Option("This one only.", default_text="one after the other until one passes")] = None,
    try_all: Annotated[bool, Option("Try every scheme; the best that passes is written.", flags=("--all",))] = False,
    allow_worse: Annotated[bool, Option("Write the nearest miss where none passes; the file will say so.")] = False,
    seed: Annotated[int, Option("Draws the calibration images.")] = 0,
    json: Annotated[bool, Option("The figures as one JSON document.")] = False,
) -> None:
    """Make the model smaller and faster, judged on held-out images. Exits 6, writing nothing, where it is worse.

    Schemes are tried one after the other: 8-bit integers with corrected biases, then with other ranges, equalized
    channels, the most sensitive layers left in float; then smaller weights alone.
    """
    from edgekit.artifact.paths import require_new_path, require_onnx_path
    from edgekit.quantize import Gate, quantize
    from edgekit.quantize.schemes import scheme_named
    from edgekit.quantize.split_data import calibration_and_held_out
    from edgekit.quantize.targets import target_named, this_machine

    path = output or _default_path(model)
    require_onnx_path(path)
    require_new_path(model, path)
    schemes = [scheme_named(scheme)] if scheme else None
    for_target = target_named(target) if target else this_machine()
    calibration_images, held_out = calibration_and_held_out(calibration, truth=truth, samples=samples, seed=seed)
    gate = Gate(max_drop=max_drop, min_speedup=min_speedup, min_agreement=min_agreement, max_divergence=max_divergence)
    trials: list[Trial] = []
    written = False
    try:
        with stage_progress() as progress:
            best = quantize(
                model,
                path,
                calibration=calibration_images,
                held_out=held_out,
                against=against,
                schemes=schemes,
                target=for_target,
                gate=gate,
                try_all=try_all,
                allow_worse=allow_worse,
                on_trial=trials.append,
                on_warning=lambda warning: write_message(f"warning: {warning}"),
                progress=progress,
            )
        written = True
    finally:  # the table explains a refusal too
        if trials:
            (_write_trials_json if json else _write_trials)(
                trials, str(path) if written else None, target=for_target.name
            )
    _write_outcome(best, path, target=for_target.name)


def _default_path(model: Path) -> Path:
    """MODEL-int8.onnx. Raises SpecError if that file exists: only a file named by --output is overwritten."""
    from edgekit.errors import SpecError

    path = model.with_name(f"{model.stem}-int8.onnx")
    if path.exists():
        raise SpecError(f"{path} is there already; name the file to write with --output")
    return path


def _write_outcome(best: Trial, path: Path, *, target: str) -> None:
    if best.failures:
        write_message(f"warning: {path} is worse than asked for, and says so")
    write_message(f"wrote {path} ({best.scheme.name} for {target}); next: edgekit predict IMAGE --model {path}")


def _write_trials_json(trials: Sequence[Trial], path: str | None, *, target: str) -> None:
    write_json({"schema": 2, "path": path, "target": target, "tried": [trial.to_dict() for trial in trials]})


def _write_trials(trials: Sequence[Trial], path: str | None, *, target: str) -> None:
    first = trials[0].result
    write(table(_HEADER, [_parent_row(first), *(_row(trial) for trial in trials)]))
    images = f"{first.parity.images} held-out images"
    interval = trials[-1].result.drop_interval
    if interval is not None:
        change = f"{-interval.high:+.2f} to {-interval.low:+.2f} points of top-1 (95%)"
        write(f"{trials[-1].scheme.name} for {target}: {change} on {images}")


def _parent_row(result: HeldOutResult) -> tuple[str, ...]:
    top1 = percent(result.parent.top1 if result.parent else None)
    milliseconds = [f"{latency.baseline_ms:.2f}" for latency in result.latencies]
    return "float32", top1, "-", "-", *milliseconds, "-", "-", "-", ""


def _row(trial: Trial) -> tuple[str, ...]:
    result = trial.result
    return (
        trial.scheme.name,
        percent(result.child.top1 if result.child else None),
        percent(result.parity.agreement),
        f"{result.divergence:.4f}",
        *(f"{latency.other_ms:.2f}" for latency in result.latencies),
        f"{result.speedup:.2f}x",
        f"{result.size_bytes / 1e6:.2f}",
        "-" if result.memory_bytes is None else f"{result.memory_bytes / 1e6:.0f}",
        "; ".join(trial.failures) or "passes",
    )
