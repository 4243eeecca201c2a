"""`edgekit quantize`: float32 to something smaller and faster, through a gate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgekit.cli.progress import stage_progress
from edgekit.cli.render import percent, say, table, write, write_json

if TYPE_CHECKING:
    from edgekit.quantize import Judgement, Trial

EXAMPLES = """Examples:

edgekit quantize model.onnx --calibration photos/

edgekit quantize model.onnx --calibration photos/ --truth truth.csv --max-drop 0.5 --min-speedup 1.5 -o small.onnx

edgekit quantize model.onnx --calibration data.tar.gz --target arm64 --all
"""
_HEADER = ("recipe", "top-1", "agreement", "divergence", "ms 1T", "ms 2T", "speedup", "MB", "peak MB", "verdict")


def run(
    model: Annotated[Path, typer.Argument(help="The float32 artifact.")],
    calibration: Annotated[
        Path,
        typer.Option(
            help="Pictures: train ones set the ranges and val ones judge; where they are not split so, --samples of "
            "them set the ranges and the others judge."
        ),
    ],
    truth: Annotated[
        Path | None, typer.Option(help="A CSV of file,label for a folder of bare pictures.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write.", show_default="MODEL-int8.onnx, if it is not there"),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            help="The float32 artifact that the result must not be worse than, such as the original of a network with "
            "other activations.",
            show_default="MODEL",
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=8, help="Calibration pictures.")] = 100,
    max_drop: Annotated[float, typer.Option(min=-100, max=100, help="Points of top-1 that may be lost.")] = 1.0,
    min_speedup: Annotated[float, typer.Option(min=0, help="Times as fast as float32, on one thread here.")] = 1.0,
    min_agreement: Annotated[
        float, typer.Option(min=0, max=100, help="Without labels: percent of the pictures with float32's label.")
    ] = 95.0,
    max_divergence: Annotated[
        float, typer.Option(min=0, help="Without labels: mean KL divergence of the probabilities, in nats.")
    ] = 0.1,
    target: Annotated[
        str | None, typer.Option(help="x86-vnni, x86-avx2, arm64 or web.", show_default="this machine's")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="This one only.", show_default="one after the other until one passes")
    ] = None,
    try_all: Annotated[bool, typer.Option("--all", help="Try every recipe; the best that passes is written.")] = False,
    allow_worse: Annotated[
        bool, typer.Option("--allow-worse", help="Write the nearest miss where none passes; the file will say so.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Draws the calibration pictures.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="The figures as one JSON document.")] = False,
) -> None:
    """Make the model smaller and faster, judged on held-out pictures. Exits 6, writing nothing, where it is worse.

    Recipes are tried one after the other: 8-bit integers with corrected biases, then with other ranges, equalized
    channels, the most sensitive layers left in float; then smaller weights alone.
    """
    from edgekit.artifact.paths import require_new_path, require_onnx_path
    from edgekit.quantize import Gate, quantize
    from edgekit.quantize.schemes import recipe_named
    from edgekit.quantize.split_data import calibration_and_held_out
    from edgekit.quantize.targets import target_named, this_machine

    path = output or _new_path(model)
    require_onnx_path(path)
    require_new_path(model, path)
    chosen = [recipe_named(recipe)] if recipe else None
    made_for = target_named(target) if target else this_machine()
    few, rest = calibration_and_held_out(calibration, truth=truth, samples=samples, seed=seed)
    trials: list[Trial] = []
    written = False
    try:
        with stage_progress() as progress:
            best = quantize(
                model,
                path,
                calibration=few,
                held_out=rest,
                against=against,
                recipes=chosen,
                target=made_for,
                gate=Gate(
                    max_drop=max_drop,
                    min_speedup=min_speedup,
                    min_agreement=min_agreement,
                    max_divergence=max_divergence,
                ),
                try_all=try_all,
                allow_worse=allow_worse,
                on_trial=trials.append,
                on_doubt=lambda doubt: say(f"warning: {doubt}"),
                progress=progress,
            )
        written = True
    finally:  # a refusal is explained by the same table
        if trials:
            show = _show_json if json else _show
            show(trials, str(path) if written else None, made_for.name)
    if best.failures:
        say(f"warning: {path} is worse than asked for, and says so")
    say(f"wrote {path} ({best.recipe.name} for {made_for.name}); next: edgekit predict PICTURE --model {path}")


def _new_path(model: Path) -> Path:
    """MODEL-int8.onnx. Raises SpecError where there is such a file: only a name that was given is overwritten."""
    from edgekit.errors import SpecError

    path = model.with_name(f"{model.stem}-int8.onnx")
    if path.exists():
        raise SpecError(f"{path} is there already; name the file to write with --output")
    return path


def _show_json(trials: Sequence[Trial], path: str | None, target: str) -> None:
    write_json({"schema": 1, "path": path, "target": target, "tried": [trial.to_dict() for trial in trials]})


def _show(trials: Sequence[Trial], path: str | None, target: str) -> None:
    first = trials[0].judgement
    write(table(_HEADER, [_parent_row(first), *(_row(trial) for trial in trials)]))
    pictures = f"{first.parity.pictures} held-out pictures"
    interval = trials[-1].judgement.drop_interval
    if interval is not None:
        change = f"{-interval.high:+.2f} to {-interval.low:+.2f} points of top-1 (95%)"
        write(f"{trials[-1].recipe.name} for {target}: {change} on {pictures}")


def _parent_row(judgement: Judgement) -> tuple[str, ...]:
    top1 = percent(judgement.parent.top1 if judgement.parent else None)
    milliseconds = [f"{latency.baseline_ms:.2f}" for latency in judgement.latencies]
    return "float32", top1, "-", "-", *milliseconds, "-", "-", "-", ""


def _row(trial: Trial) -> tuple[str, ...]:
    judgement = trial.judgement
    return (
        trial.recipe.name,
        percent(judgement.child.top1 if judgement.child else None),
        percent(judgement.parity.agreement),
        f"{judgement.divergence:.4f}",
        *(f"{latency.other_ms:.2f}" for latency in judgement.latencies),
        f"{judgement.speedup:.2f}x",
        f"{judgement.size_bytes / 1e6:.2f}",
        "-" if judgement.memory_bytes is None else f"{judgement.memory_bytes / 1e6:.0f}",
        "; ".join(trial.failures) or "passes",
    )
