"""`edgekit quantize`: float32 to int8, through a gate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgekit.cli.progress import progress_bar
from edgekit.cli.render import percent, say, write, write_json

EXAMPLES = """Examples:

edgekit quantize model.onnx --calibration data/ -o model-int8.onnx

edgekit quantize model.onnx --calibration data.tar.gz --max-drop 0.5 --min-speedup 1.5 -o model-int8.onnx
"""


def run(
    model: Annotated[Path, typer.Argument(help="The float32 artifact.")],
    calibration: Annotated[
        Path, typer.Option(help="A data set: its train pictures set the ranges, its val pictures judge.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The int8 artifact to write.")],
    samples: Annotated[int, typer.Option(min=8, help="Calibration pictures.")] = 200,
    max_drop: Annotated[float, typer.Option(help="Points of top-1 that may be lost.")] = 1.0,
    min_speedup: Annotated[float, typer.Option(help="Times as fast as float32, on one thread here.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Draws the calibration pictures.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="The figures as one JSON document.")] = False,
) -> None:
    """Quantize to int8 and judge the result on held-out pictures. Exits 6, writing nothing, when it is worse."""
    from edgekit import dataset
    from edgekit.export.quantize import quantize

    training, held_out = (dataset.read(calibration, split) for split in ("train", "val"))
    with progress_bar("judging", 2 * len(held_out)) as advance:
        judgement = quantize(
            model,
            output,
            calibration=training.sample(samples, seed=seed),
            held_out=held_out,
            max_drop=max_drop,
            min_speedup=min_speedup,
            on_picture=advance,
        )
    figures = judgement.evidence() | {"latency": judgement.latency.to_dict()}
    if json:
        write_json({"schema": 1, "path": str(output), **figures})
        return
    latency = judgement.latency
    write(
        f"top-1 {percent(judgement.parent.top1)} -> {percent(judgement.child.top1)} on {len(held_out)} pictures, "
        f"{latency.baseline_ms:.2f} -> {latency.other_ms:.2f} ms ({latency.speedup:.2f}x)"
    )
    say(f"wrote {output}; next: edgekit predict PICTURE --model {output}")
