"""`edgekit quantize`: convert a model to int8, if it passes the quality gate."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from edgekit.cli import shared_options as shared
from edgekit.cli.flag_names import with_flags
from edgekit.cli.next_commands import after_quantizing, bench_command, int8_path, write_next
from edgekit.cli.options import Argument, Option
from edgekit.cli.progress import stage_progress
from edgekit.cli.render import percent, write, write_json, write_message
from edgekit.cli.tables import table
from edgekit.cli.temperature import fit_images, write_temperature
from edgekit.cli.wrong_files import check_model_files

if TYPE_CHECKING:
    from edgekit.artifact.info import ArtifactInfo
    from edgekit.quantize import HeldOutResult, Trial

EXAMPLES = """Examples:
  edgekit quantize model.onnx --calibration photos/
  edgekit quantize model.onnx --calibration photos/ --truth truth.csv \\
      --max-drop 0.5 --min-speedup 1.5 -o small.onnx
  edgekit quantize model.onnx --calibration data.tar.gz --target raspberry-pi-5
  edgekit quantize model.onnx --calibration data.tar.gz --target x86-avx2 --all
"""


def run(
    model: Annotated[Path, Argument("Model file to quantize: a float32 or float16 .onnx file made by edgekit.")],
    calibration: Annotated[
        Path,
        Option(
            "Data set: its train images set the value ranges and its val images judge the result. If it is not "
            "split, --samples of the images set the ranges and the others judge.",
            metavar="DATA",
        ),
    ],
    truth: Annotated[Path | None, shared.TRUTH] = None,
    output: Annotated[Path | None, shared.MODEL_OUTPUT._replace(default_text="MODEL-int8.onnx")] = None,
    against: Annotated[
        Path | None,
        Option(
            "Float32 model to compare accuracy and speed with, e.g. the original of a model whose activations were "
            "replaced, or that of a model that is int8 already.",
            metavar="MODEL",
            default_text="the model itself",
        ),
    ] = None,
    samples: Annotated[int, Option("Number of calibration images.", least=8)] = 100,
    max_drop: Annotated[
        float,
        Option(
            "Largest accuracy drop allowed, in percentage points of top-1 (multi-label: mAP).",
            metavar="POINTS",
            least=-100,
            most=100,
        ),
    ] = 1.0,
    min_speedup: Annotated[
        float,
        Option("Smallest speedup allowed over float32, on one thread, if --target is this machine.", least=0),
    ] = 1.0,
    min_agreement: Annotated[
        float,
        Option(
            "Without labels: smallest agreement with the float32 labels allowed, in percent of the images.",
            metavar="PERCENT",
            least=0,
            most=100,
        ),
    ] = 95.0,
    max_divergence: Annotated[
        float,
        Option(
            "Without labels: largest mean KL divergence of the probabilities allowed, in nats.",
            metavar="NATS",
            least=0,
        ),
    ] = 0.1,
    target: Annotated[
        str | None,
        Option(
            "What to quantize for: a processor (x86-vnni, x86-avx2, arm64, web) or a device (android, apple-silicon, "
            "browser, iphone, jetson-cpu, raspberry-pi-4, raspberry-pi-5, x86).",
            default_text="this machine",
        ),
    ] = None,
    scheme: Annotated[
        str | None,
        Option(
            "Quantization scheme to try, e.g. int8-percentile.",
            default_text="each in turn until one passes",
            argument="schemes",
        ),
    ] = None,
    try_all: Annotated[bool, Option("Try every scheme and write the best one that passes.", flags=("--all",))] = False,
    allow_worse: Annotated[
        bool, Option("If no scheme passes, write the closest one; the file records that it failed.")
    ] = False,
    strict: Annotated[
        bool, Option("Also reject unproven schemes, whose accuracy the images do not determine closely enough.")
    ] = False,
    no_temperature: Annotated[
        bool, shared.NO_TEMPERATURE._replace(help=f"{shared.NO_TEMPERATURE.help} MODEL's, if any, is kept.")
    ] = False,
    seed: Annotated[int, Option("Random seed for choosing calibration images.")] = 0,
    json: Annotated[bool, Option("Print the results as one JSON document.")] = False,
) -> None:
    """Quantize a model to int8 and verify its accuracy, and its speedup on this machine.

    Schemes are tried in turn until one passes: 8-bit integers with bias correction, then with other value ranges, with
    equalized channels, with the most sensitive layers in float32; then smaller weights only. Exit status 6 if no scheme
    passes; then nothing is written. The speed on other machines is not judged; `edgekit bundle --bench` measures there.

    A scheme that passes is proven if the 95% interval of its accuracy drop is within --max-drop, on at least 200
    images. Otherwise it is unproven: other int8 schemes are tried if the images could prove them, and the file states
    how many images would settle it.

    A temperature is fitted to a fifth of the images that judge (100 to 1000), if they are labeled and at least 200.
    """
    from edgekit.quantize import Gate, quantize
    from edgekit.quantize.schemes import scheme_named
    from edgekit.quantize.split_data import calibration_and_held_out
    from edgekit.runtime.targets import target_named, this_machine

    check_model_files(model, against or "")
    path = _checked_path(output, model)
    schemes = [scheme_named(scheme)] if scheme else None
    for_target = target_named(target) if target else this_machine()
    if target and target != for_target.name:
        write_message(f"note: {target} is the target {for_target.name}")
    ranging, judging = calibration_and_held_out(calibration, truth=truth, samples=samples, seed=seed)
    fit = None if no_temperature else fit_images(judging)
    gate = Gate(
        max_drop=max_drop,
        min_speedup=min_speedup,
        min_agreement=min_agreement,
        max_divergence=max_divergence,
        strict=strict,
    )
    trials: list[Trial] = []
    written: Path | None = None
    try:
        with stage_progress() as progress:
            best = quantize(
                model,
                path,
                calibration=ranging,
                held_out=judging,
                temperature_images=fit,
                against=against,
                schemes=schemes,
                target=for_target,
                gate=gate,
                try_all=try_all,
                allow_worse=allow_worse,
                on_trial=trials.append,
                on_note=lambda note: write_message(f"note: {with_flags(note, 'quantize')}"),
                on_warning=lambda warning: write_message(f"warning: {with_flags(warning, 'quantize')}"),
                progress=progress,
            )
        written = path
    finally:  # the table also explains why nothing was written
        write_trials = _write_trials_json if json else _write_trials
        write_trials(trials, written, target=for_target.name, parent=against or model, try_all=try_all)
    _write_outcome(best, path, parent=model, data=calibration, target=target or for_target.name)


def _checked_path(output: Path | None, model: Path) -> Path:
    """Return the file to write. Raises SpecError if it must not be: only a file named by --output is overwritten."""
    from edgekit.artifact.paths import require_new_path, require_onnx_path
    from edgekit.errors import SpecError

    path = output or int8_path(model)
    if output is None and path.exists():
        raise SpecError(f"{path} already exists; to overwrite it, name it with --output")
    require_onnx_path(path)
    require_new_path(model, path)
    return path


def _write_outcome(best: Trial, path: Path, *, parent: Path, data: Path, target: str) -> None:
    """Print what was written, and the next commands. target: the target or device, as it was named."""
    from edgekit.runtime.targets import target_named

    if best.failures:
        write_message(f"warning: {path} failed the quality gate, which its metadata records")
    commands = after_quantizing(path, parent=parent, data=data, target=target)
    for_target = target_named(target).name
    write_next(f"{path} ({_scheme_text(best, for_target)})", *commands)
    if best.result.speedup is None:
        how = "bench.html of that bundle" if for_target == "web" else shlex.join(bench_command(path))
        write_message(f"its speed on the device: {how}")


def _write_trials_json(trials: Sequence[Trial], path: Path | None, *, target: str, parent: Path, try_all: bool) -> None:
    from edgekit.quantize.trials import best_trial

    if not trials:  # the error says why
        return
    document = {
        "schema": 3,
        "path": path and str(path),
        "recipe": best_trial(trials, try_all=try_all).scheme.name if path else None,
        "target": target,
        "temperature": _read_info(path).temperature if path else None,
        "tried": [trial.to_dict() for trial in trials],
    }
    write_json(document)


def _write_trials(trials: Sequence[Trial], path: Path | None, *, target: str, parent: Path, try_all: bool) -> None:
    from edgekit.artifact.quality_verdict import interval_text
    from edgekit.quantize.trials import best_trial

    if not trials:
        return
    first, best = trials[0].result, best_trial(trials, try_all=try_all)
    parent_name = "parent" if _read_info(parent).precision == "int8" else "float32"
    metric = first.parent.metric.removesuffix(" accuracy") if first.parent else "top-1"
    rows = [_parent_row(first, parent_name), *(_row(trial) for trial in trials)]
    costs = ("ms 1T", "ms 2T", "speedup", "MB", "peak MB") if first.latencies else ("speedup", "MB")
    write(table(("scheme", metric, "agreement", "divergence", *costs, "verdict"), rows))
    change = f"{interval_text(best.evidence())} on {first.parity.images} held-out images"
    write(f"{_scheme_text(best, target)}: {change}")
    if best.doubt is not None:
        write(f"{best.verdict}: {best.doubt}")
    if path:
        write_temperature(_read_info(path))


def _scheme_text(trial: Trial, target: str) -> str:
    """The scheme and the processor that it was applied for, if it was."""
    return trial.scheme.name if trial.scheme.storage == "unchanged" else f"{trial.scheme.name} for {target}"


def _read_info(path: Path) -> ArtifactInfo:
    from edgekit.artifact.info import read_info

    return read_info(path)


def _parent_row(result: HeldOutResult, name: str) -> tuple[str, ...]:
    accuracy = percent(result.parent.value if result.parent else None)
    milliseconds = [f"{latency.baseline_ms:.2f}" for latency in result.latencies]
    costs = [*milliseconds, "-", "-", "-"] if milliseconds else ["-", "-"]
    return name, accuracy, "-", "-", *costs, ""


def _row(trial: Trial) -> tuple[str, ...]:
    result = trial.result
    return (
        trial.scheme.name,
        percent(result.child.value if result.child else None),
        percent(result.parity.agreement),
        f"{result.divergence:.4f}",
        *_costs(result),
        with_flags("; ".join(trial.failures), "quantize") or trial.verdict,
    )


def _costs(result: HeldOutResult) -> tuple[str, ...]:
    size = f"{result.size_bytes / 1e6:.2f}"
    if result.speedup is None:
        return "not measured here", size
    memory = "-" if result.memory_bytes is None else f"{result.memory_bytes / 1e6:.0f}"
    return *(f"{latency.other_ms:.2f}" for latency in result.latencies), f"{result.speedup:.2f}x", size, memory
